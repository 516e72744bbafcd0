package soak

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

// note writes what happens around rotatord between the lines of its log: there a loss is looked into. Where it cannot,
// the run goes on without.
func (w *world) note(format string, args ...any) {
	f, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	_, _ = fmt.Fprintf(f, "# %s %s\n", w.now().UTC().Format(time.RFC3339Nano), fmt.Sprintf(format, args...))
}

// keepRecord saves rotatord's log of a failed run, and what Cloudflare was asked in it.
func (w *world) keepRecord() {
	if !w.Failed() {
		return
	}
	w.Log("statuses:", slices.Sorted(func(yield func(string) bool) {
		all, _ := w.statuses()
		for name, s := range all {
			if !yield("\n" + name + ": " + why(s)) {
				return
			}
		}
	}))
	if *keep == "" {
		return
	}
	b, err := os.ReadFile(w.log)
	harness.Check(w, err)
	w.keep("log", string(b))
	w.keep("calls", w.calls())
}

func (w *world) keep(what, text string) {
	name := strings.ReplaceAll(fmt.Sprintf("%s-%d.%s", w.Name(), *seed, what), "/", "-")
	harness.Check(w, os.WriteFile(filepath.Join(*keep, name), []byte(text), 0o600))
}

// calls is a line for each call of Cloudflare.
func (w *world) calls() string {
	var out strings.Builder
	for _, c := range w.sim.Calls() {
		fmt.Fprintf(&out, "%s %s relay %s token %q type %q status %d %s %s\n",
			c.At.UTC().Format(time.RFC3339Nano), c.Op, c.Relay, c.Token, c.Type, c.Status, c.Fault, c.Body)
	}
	return out.String()
}
