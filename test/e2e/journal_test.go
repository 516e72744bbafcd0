package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	linux "golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/logging/journaltest"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/test/harness"
)

// journal is systemd's, as the daemons of one world have it.
type journal struct {
	journaltest.Server
	stderr *os.File // of daemons: the stream that JOURNAL_STREAM names

	mu      sync.Mutex
	entries []map[string]string
}

func (w *world) withJournal() *journal {
	w.t.Helper()
	j := &journal{Server: journaltest.Start(w.t)}
	j.stderr = harness.Must[*os.File](w.t)(os.Create(w.Path("stream")))
	w.t.Cleanup(func() { _ = j.stderr.Close() })
	var st linux.Stat_t
	harness.Check(w.t, linux.Fstat(int(j.stderr.Fd()), &st))
	w.stderr = j.stderr
	w.env = append(w.env, fmt.Sprintf("JOURNAL_STREAM=%d:%d", st.Dev, st.Ino))
	go func() { // ends with the test
		for fields, err := j.Next(); !errors.Is(err, os.ErrClosed); fields, err = j.Next() {
			if err != nil {
				fields = map[string]string{"MESSAGE": "not an entry: " + err.Error()}
			}
			j.mu.Lock()
			j.entries = append(j.entries, fields)
			j.mu.Unlock()
		}
	}()
	return j
}

// launchWith runs a command whose /run is its own, with the journal where systemd has it. It takes root, as a small
// disk does.
func (w *world) launchWith(j *journal, args ...string) *daemon {
	w.t.Helper()
	cmd := w.command(args...)
	const own = `mount -t tmpfs none /run && mkdir /run/systemd && ln -s "$0" /run/systemd/journal && exec "$@"`
	cmd.Args = append([]string{"/bin/sh", "-c", own, j.Dir}, cmd.Args...)
	cmd.Path = "/bin/sh"
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return w.launchCommand(cmd)
}

// find looks for an entry whose fields have the texts wanted in them.
func (j *journal) find(want map[string]string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.entries {
		fits := true
		for name, text := range want {
			fits = fits && strings.Contains(e[name], text)
		}
		if fits {
			return nil
		}
	}
	return fmt.Errorf("none of %d entries has %v", len(j.entries), want)
}

// text is all that the journal holds.
func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var b strings.Builder
	for _, e := range j.entries {
		for name, text := range e {
			b.WriteString(name + "=" + text + "\n")
		}
	}
	return b.String()
}

func TestUnderSystemdTheLogIsEntriesOfTheJournalWithoutAnyValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	j := w.withJournal()
	aws, awsSink := w.withAWS("")
	w.configure(settings{
		Top: "log: {level: debug, format: console}\n", Sinks: awsSink, Defaults: "{schedule: manual, initial: now, sinks: [disk, aws]}",
	})
	w.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.Instead, Status: 500, Body: `{"success":false,"errors":[{"code":1,"message":"` + strayToken + `"}]}`})
	aws.Inject(func(op, _ string) *awstest.Failure {
		if op != "CreateSecret" && op != "PutSecretValue" {
			return nil
		}
		values := w.api.handedOut()
		newest := values[len(values)-1]
		return &awstest.Failure{Code: "InvalidRequestException", Message: "not to our taste: " + newest + " or " +
			base64.StdEncoding.EncodeToString([]byte(newest))}
	})
	d := w.launchWith(j, "run")
	d.ready()
	whose := map[string]string{"SLOT": "live/subscribe", "RELAY": "live", "ACCOUNT": "main", "SYSLOG_IDENTIFIER": "rotatord"}
	has := func(want map[string]string) {
		t.Helper()
		d.until(func() error { return j.find(want) })
	}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(whose)
		maps.Copy(all, more)
		return all
	}
	has(map[string]string{"MESSAGE": "rotatord is ready", "PRIORITY": "6", "SLOTS": "1"})
	has(with(map[string]string{"MESSAGE": "live/subscribe: attempt failed: ", "PRIORITY": "4", "STEP": "mint", "REASON": "server_error"}))
	has(with(map[string]string{"MESSAGE": "not to our taste", "PRIORITY": "4", "STEP": "deliver", "SINK": "aws"}))
	aws.Inject(nil)
	d.recovers("live/subscribe")
	has(with(map[string]string{"MESSAGE": "live/subscribe: rotated", "PRIORITY": "6"}))
	served := d.served(0, "live/subscribe")
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	w.Put("config.yaml", "instance: here\nno: good\n")
	if code := w.launchWith(j, "run").wait(); code != 2 {
		t.Errorf("a bad configuration: exit code %d", code)
	}
	harness.Eventually(t, patience, "reading the journal", func() error {
		return errors.Join(j.find(map[string]string{"MESSAGE": "config.yaml:2:1: no: unknown key", "PRIORITY": "3", "LINE": "2", "KEY": "no"}),
			j.find(map[string]string{"MESSAGE": "rotatord ends with a failure: ", "PRIORITY": "3"}))
	})

	values := append(w.api.handedOut(), strayToken)
	if !leaks(served, values) {
		t.Fatal("a leak would not be found")
	}
	if leaks(j.text(), values) {
		t.Error("a token's value is in the journal")
	}
	if text := w.Read("stream"); text != "" {
		t.Errorf("beside the journal there is %s", text)
	}
}
