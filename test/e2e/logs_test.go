package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	linux "golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/test/harness"
)

const smallPipe = 4096

// pipeLog has the daemon's log go into a pipe that is full. It returns the end that nobody reads.
func (w *world) pipeLog() *os.File {
	w.t.Helper()
	r, end, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := linux.FcntlInt(end.Fd(), linux.F_SETPIPE_SZ, smallPipe); err != nil {
		w.t.Fatal(err)
	}
	if _, err := end.WriteString(strings.Repeat("\n", smallPipe)); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close(); _ = end.Close() })
	w.stderr = end
	return r
}

// chatty is a daemon that logs all it can.
func (w *world) chatty() *daemon {
	w.t.Helper()
	w.configure(settings{Top: "log: {level: debug}\n"})
	d := w.start()
	_ = w.stderr.Close() // the daemon's own is left
	return d
}

// rotateLive has a slot rotate n times, each of which must come to an end.
func (d *daemon) rotateLive(n int) {
	d.t.Helper()
	for range n {
		d.rotatord("rotate", "live").Expect(d.t, 0, "rotated and verified")
	}
}

func TestALogThatNobodyReadsStopsNothing(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"overlap", "in_place"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			r := w.pipeLog()
			w.configure(settings{Top: "log: {level: debug}\n", Relays: fmt.Sprintf("{live: {id: %s, strategy: %s, tokens: {subscribe: {}}}}", harness.RelayID(0), strategy)})
			d := w.start()
			_ = w.stderr.Close()
			d.rotateLive(1)
			d.until(func() error { return d.stuck() })
			d.rotateLive(1)
			if code := d.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			_ = r.Close()
		})
	}
}

// stuck reports whether the daemon has noticed that nobody reads.
func (d *daemon) stuck() error {
	to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/2", d.Pid()))
	if errors.Is(err, os.ErrPermission) { // it lets only root look: no process waits longer than this
		<-time.After(5 * time.Second)
		return nil
	}
	if err == nil && to != os.DevNull {
		err = errors.New("standard error leads to " + to)
	}
	return err
}

// hasDropped reports whether lines of the log were counted as dropped.
func (d *daemon) hasDropped() error {
	_, text, err := d.get("/metrics")
	if err == nil && (!strings.Contains(text, "\nrotatord_log_lines_dropped_total ") || strings.Contains(text, "\nrotatord_log_lines_dropped_total 0\n")) {
		err = errors.New("no line was counted")
	}
	return err
}

// What Go's runtime prints of a dying process would not find anybody either.
func TestADyingProcessDoesNotWaitForSomebodyToReadWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.pipeLog()
	d := w.chatty()
	d.rotateLive(1)
	d.until(func() error { return d.stuck() })
	d.Signal(syscall.SIGQUIT) // every goroutine's stack
	if code := d.wait(); code != 2 {
		t.Errorf("exit code %d", code)
	}
}

func TestALogIsReadAgainWhereItWasLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	r := w.pipeLog()
	d := w.chatty()
	d.rotateLive(1)
	d.until(func() error { return d.stuck() })
	var text bytes.Buffer
	read := make(chan error)
	go func() { _, err := io.Copy(&text, r); read <- err }()
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.Trim(text.String(), "\n"), "\n")
	for _, line := range lines {
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}") {
			t.Errorf("a torn line: %s", line)
		}
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, `"stopped"`) {
		t.Errorf("the last line of %d is %s", len(lines), last)
	}
}

func TestALogWhoseReaderWentAwayEndsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	r := w.pipeLog()
	d := w.chatty()
	_ = r.Close()
	d.rotateLive(1)
	d.until(d.hasDropped)
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestALogOnAFullDiskIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.stderr = full
	d := w.chatty()
	d.rotateLive(2)
	d.until(d.hasDropped)
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// `run --once` and a start that fails have the same log.
func TestARunThatEndsWaitsForNobodyWhoReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	r := w.pipeLog()
	w.configure(settings{Defaults: "{schedule: manual, initial: now, sinks: [disk]}"})
	if code := w.launch("run", "--once").wait(); code != 0 || w.Read("tokens/live/subscribe.token") == "" {
		t.Errorf("exit code %d", code)
	}
	w.Put("config.yaml", "no: good\n")
	if code := w.launch("run").wait(); code != 2 {
		t.Errorf("a bad configuration: exit code %d", code)
	}
	_ = r.Close()
}

func TestAVerbWhoseOutputNobodyWantsEndsQuietly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	r, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	cmd := w.command("schema")
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = end, &errs
	if err := rotatord.Begin(cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGPIPE || errs.Len() > 0 {
		t.Errorf("it ended with %s and said %q", cmd.ProcessState, errs.String())
	}
}
