package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/slot"
)

// stateWorld has one slot, which was rotated when asked to.
func stateWorld(t *testing.T) (*world, *daemon, string) {
	t.Helper()
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.start()
	d.rotatord("rotate", "--all").Expect(t, 0)
	return w, d, d.slot("live/subscribe").Sinks[0].RotationID
}

// log is the path of the journal's log.
func (w *world) log() string {
	w.t.Helper()
	logs, err := filepath.Glob(w.Path("state/*.log"))
	if err != nil || len(logs) != 1 {
		w.t.Fatalf("logs: %v (%v)", logs, err)
	}
	return logs[0]
}

// unready waits until the daemon says so, and why.
func (d *daemon) unready(words ...string) {
	d.t.Helper()
	d.until(func() error {
		code, body, err := d.get("/-/ready")
		for _, word := range words {
			if err == nil && (code != http.StatusServiceUnavailable || !strings.Contains(body, word)) {
				err = fmt.Errorf("ready: %d %s, want %q", code, body, word)
			}
		}
		return err
	})
}

// knows checks that a daemon knows the rotation, and needs no other.
func (d *daemon) knows(rotationID string) {
	d.t.Helper()
	d.untilSlot("live/subscribe", func(s slot.Status) bool {
		return s.State == slot.StateIdle && s.Sinks[0].RotationID == rotationID && s.Sinks[0].State == "ok"
	})
	if n := d.sim.Counts()[cfsim.Create]; n != 1 {
		d.t.Errorf("%d tokens were made", n)
	}
}

func TestStateFilesThatAreTakenAwayAreWrittenAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ command, says string }{
		"the database is deleted":         {"rm state/state.db", "state.db: the file was deleted"},
		"the log is deleted":              {"rm state/*.log", ".log: the file was deleted"},
		"the log is emptied":              {"truncate -s 0 state/*.log", ".log: the file was cut short"},
		"the database is emptied":         {"truncate -s 0 state/state.db", "state.db: the file was cut short"},
		"all that is there is deleted":    {"rm -rf state/*", "the file was deleted"},
		"the folder is deleted":           {"rm -rf state", "the file was deleted"},
		"the folder is deleted and made":  {"rm -rf state && mkdir -m 700 state", "the file was deleted"},
		"the database is moved elsewhere": {"mv state/state.db .", "state.db: the file was moved away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, id := stateWorld(t)
			w.shell(c.command)
			d.unready(c.says, "new file")
			d.ready()
			d.says("the journal cannot be written: no new token is minted until it can", c.says)
			d.says("the journal was written anew from memory")
			if m := d.metrics(); !strings.Contains(m, "rotatord_journal_errors_total") || strings.Contains(m, "rotatord_journal_errors_total 0\n") {
				t.Error("no failure was counted")
			}
			d.Kill()
			w.start().knows(id)
		})
	}
	t.Run("just before the end", func(t *testing.T) {
		t.Parallel()
		w, d, id := stateWorld(t)
		w.shell("rm -rf state")
		if code := d.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		w.start().knows(id)
	})
}

// shell runs a command of a person's, or of a job that cleans up.
func (w *world) shell(command string) {
	w.t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = w.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func (d *daemon) metrics() string {
	d.t.Helper()
	_, body, err := d.get("/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	return body
}

func TestAStateFileThatWasReplacedIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	w, d, id := stateWorld(t)
	w.shell("mv state/state.db . && echo theirs > state/state.db")
	d.unready("state.db: the file was replaced", "restart rotatord")
	d.rotatord("rotate", "--all", "--no-wait")
	d.rotatord("status").Expect(t, 0, "the journal cannot be written: nothing is minted until it can",
		"not ready: ", "state.db: the file was replaced")
	if text := w.Read("state/state.db"); text != "theirs\n" {
		t.Errorf("it holds %q", text)
	}
	if n := d.sim.Counts()[cfsim.Create]; n != 1 {
		t.Errorf("%d tokens were made", n)
	}
	w.shell("mv state.db state/")
	d.ready()
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Sinks[0].RotationID != id })
}

// After a kill what was saved last is in the log alone.
func TestAMissingLogIsMissedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]string{"deleted": "rm state/*.log", "emptied": "truncate -s 0 state/*.log"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, _ := stateWorld(t)
			d.Kill()
			log := w.log()
			w.shell(lose)
			for _, verb := range [][]string{{"run"}, {"run", "--once"}} {
				w.rotatord(verb...).Expect(t, 1, log, log+".aside", "not known, as with an older backup")
			}
			_ = os.Remove(log)
			w.Put(strings.TrimPrefix(log, w.Dir+"/")+".aside", "")
			d = w.start()
			d.says("starting without the log "+log, "the database was last written at")
			d.says("it counts once")
			if _, err := os.Stat(log + ".aside"); err == nil {
				t.Error("the consent is still there")
			}
			d.Kill()
			_ = os.Remove(log)
			w.rotatord("run").Expect(t, 1, log, "it is missing")
		})
	}
	t.Run("after an orderly end nothing is missed", func(t *testing.T) {
		t.Parallel()
		w, d, id := stateWorld(t)
		d.stop()
		w.shell("rm state/*.log")
		w.start().knows(id)
	})
}
