package daemon

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// wantGolden compares text with a file in testdata.
func wantGolden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s is:\n%s\nwant:\n%s", path, text, want)
	}
}

// checkOnline returns what is found, a line each, and at last what came of it all.
func (h *house) checkOnline(ctx context.Context) string {
	var b strings.Builder
	err := CheckOnline(ctx, h.load(), TakeEnvironment(), func(f Finding) { fmt.Fprintf(&b, "%-4s %s\n", f.Level, f.Text) })
	fmt.Fprintf(&b, "=> %v\n", err)
	return strings.NewReplacer(h.dir, "DIR", h.api, "API").Replace(b.String())
}

func TestWhatACheckFindsOnline(t *testing.T) {
	var b strings.Builder
	for _, c := range []struct {
		name  string
		spoil func(h *house)
	}{
		{"all is well", func(*house) {}},
		{"two token types share the room, one in place", func(h *house) {
			h.configure("", "{subscribe: {}}", "{publish_subscribe: {}, subscribe: {strategy: in_place}}")
		}},
		{"named tokens fit, but not with three each", func(h *house) {
			h.configure("", "{subscribe: {}}", "{subscribe: {}, publish: {}, a: {operations: [publish]}, b: {operations: [publish]}}")
		}},
		{"named tokens do not fit beside others'", func(h *house) {
			h.configure("", "{subscribe: {}}", "{a: {operations: [publish]}, b: {operations: [publish]}, c: {operations: [publish]}}")
		}},
		{"there is no such relay", func(h *house) { h.sim.RemoveRelay(relayID) }},
		{"the account offers in_place alone", func(h *house) { h.sim.AddAccount(accountID, cfsim.Gen1) }},
		{"and that is what is wanted", func(h *house) {
			h.sim.AddAccount(accountID, cfsim.Gen1)
			h.configure("", "tokens: {subscribe: {}}", "tokens: {subscribe: {strategy: in_place}}")
		}},
		{"there is no API token", func(h *house) {
			if err := os.Remove(h.path("token")); err != nil {
				h.Fatal(err)
			}
		}},
		{"a target holds what somebody else wrote", func(h *house) { h.put("live-subscribe.token", "somebody's") }},
		{"which is to be taken over", func(h *house) {
			h.put("live-subscribe.token", "somebody's")
			h.configure("", "{type: file,", "{type: file, existing: adopt,")
		}},
		{"a required and an optional sink cannot be written", func(h *house) {
			h.put("no-folder", "")
			h.configure("", `disk: {type: file, path: "`+h.dir, `disk: {type: file, path: "`+h.dir+"/no-folder",
				"sinks: [disk]", "sinks: [disk, {sink: spare, required: false}]",
				"defaults:", `  spare: {type: file, path: "`+h.dir+`/no-folder/{{.Relay}}-{{.Type}}"}`+"\ndefaults:")
		}},
		{"two slots deliver to one place", func(h *house) {
			if err := os.Symlink(h.dir, h.path("link")); err != nil {
				h.Fatal(err)
			}
			h.configure("", "{subscribe: {}}", "{publish_subscribe: {}, subscribe: {sinks: [{sink: disk, path: \""+
				h.path("link/live-publish_subscribe.token")+"\"}]}}")
		}},
	} {
		h := newHouse(t)
		c.spoil(h)
		fmt.Fprintf(&b, "# %s\n%s\n", c.name, h.checkOnline(t.Context()))
		if n := h.sim.Counts(); n[cfsim.Create]+n[cfsim.Rotate]+n[cfsim.Revoke] > 0 {
			t.Errorf("%s: it changed something", c.name)
		}
	}
	wantGolden(t, "online.txt", b.String())
}

func TestACheckWarnsOfAnAPITokenThatEndsAndOfAClockThatIsWrong(t *testing.T) {
	h := newHouse(t)
	h.ahead.Store(int64(3 * time.Hour))
	h.sim.SetAPIToken("a-token", cfsim.OwnedByUser, "", time.Now().AddDate(0, 0, 20))
	got := h.checkOnline(t.Context())
	for _, want := range []string{
		"warn account main: the account's API token expires on 2", "make a new one",
		"warn account main: this machine's clock is 3 h behind Cloudflare's", "set it (timedatectl, chronyc)", "=> <nil>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}

func TestACheckThatIsInterruptedSaysSo(t *testing.T) {
	h := newHouse(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if got := h.checkOnline(ctx); !strings.Contains(got, "interrupted: the rest was not checked") || strings.Contains(got, "slot live") {
		t.Error(got)
	}
}

func TestACheckAsksARunningDaemonWhatItDelivered(t *testing.T) {
	h := newHouse(t)
	h.configure("", "initial: schedule", "initial: now")
	ctx, stop := context.WithCancel(t.Context())
	o, started, ended := h.options(), make(chan struct{}), make(chan error, 1)
	o.Started = func(string) { close(started) }
	go func() { ended <- Run(ctx, h.load(), o) }()
	<-started
	got := h.checkOnline(t.Context())
	for !strings.Contains(got, "it holds the token that rotatord delivered") && t.Context().Err() == nil {
		got = h.checkOnline(t.Context())
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
