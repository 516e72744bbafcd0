package harness

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Launcher starts processes that end, at the latest, with the tests, even when
// those are killed: the kernel ends a process with the thread that started it, and
// the launcher's lives as long as the tests. It is safe for concurrent use.
type Launcher struct{ launches chan func() }

func newLauncher() Launcher {
	l := Launcher{make(chan func())}
	go func() {
		runtime.LockOSThread()
		for launch := range l.launches {
			launch()
		}
	}()
	return l
}

// Begin starts a command, and does not wait for it.
func (l Launcher) Begin(cmd *exec.Cmd) (err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan struct{})
	l.launches <- func() { err = cmd.Start(); close(started) }
	<-started
	return err
}

// Process is a command that runs in the background.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts a command in the background. It is killed when the test ends, if
// it still runs.
func (l Launcher) Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	if err := l.Begin(cmd); err != nil {
		t.Fatalf("start %v: %v", cmd.Args, err)
	}
	p := &Process{cmd, make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.done) }() // its state tells
	t.Cleanup(p.Kill)
	return p
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal, if the process still runs.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Kill ends the process as a power failure of its own would, and returns when it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Wait waits until the process has ended, and returns its exit code, -1 when a
// signal ended it. It fails the test at once when that takes longer than within.
func (p *Process) Wait(t testing.TB, within time.Duration) (code int) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		t.Fatalf("%v does not end", p.cmd.Args)
	}
	return p.State().ExitCode()
}

// State is how the process has ended; nil while it runs.
func (p *Process) State() *os.ProcessState {
	select {
	case <-p.done:
		return p.cmd.ProcessState
	default:
		return nil
	}
}

// Result is what a command came to.
type Result struct {
	Code     int    // of the exit; -1 when a signal ended it
	Out, Err string // what it wrote
}

// Run runs a command to its end, and kills it after within. A data race in it fails
// the test.
func (l Launcher) Run(t testing.TB, within time.Duration, cmd *exec.Cmd) Result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := l.Begin(cmd); err != nil {
		t.Fatalf("start %v: %v", cmd.Args, err)
	}
	stuck := time.AfterFunc(within, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	_ = cmd.Wait() // the exit code tells
	CheckRaces(t, errs.String())
	return Result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// Expect fails the test unless the command ended with code and said all of words,
// wherever it said them.
func (r Result) Expect(t testing.TB, code int, words ...string) Result {
	t.Helper()
	if r.Code != code {
		t.Errorf("exit code %d, want %d", r.Code, code)
	}
	for _, word := range words {
		if !strings.Contains(r.Out+r.Err, word) {
			t.Errorf("it does not say %q", word)
		}
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", r.Out, r.Err)
	}
	return r
}

// CheckRaces fails the test when a process that was built with the race detector
// said that it has a data race.
func CheckRaces(t testing.TB, stderr string) {
	t.Helper()
	if _, race, found := strings.Cut(stderr, "WARNING: DATA RACE"); found {
		t.Errorf("rotatord has a data race:%s", race)
	}
}
