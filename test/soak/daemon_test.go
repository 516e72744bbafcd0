package soak

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// setup says how rotatord is to be run.
type setup struct {
	config string   // path of the configuration
	socket string   // its admin socket
	log    string   // file that the standard error output is appended to
	env    []string // beside the test's own environment
	wrap   []string // a command, with its arguments, that runs another one in its own process
}

// daemon is one `rotatord run`.
type daemon struct {
	setup
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	file *os.File
	http *http.Client
}

// start starts `rotatord run` and does not wait for anything. It is killed when
// the test ends, if it still runs. A failure is fatal to the test.
func (s setup) start(t testing.TB) *daemon {
	t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{setup: s, cmd: s.command("run"), done: make(chan struct{}), file: log, http: overSocket(s.socket)}
	d.cmd.Stderr = log
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("start rotatord: %v", err)
	}
	go func() { _ = d.cmd.Wait(); close(d.done) }()
	t.Cleanup(d.kill)
	return d
}

func (s setup) command(args ...string) *exec.Cmd {
	args = append([]string{soaked, "-c", s.config}, args...)
	args = append(append([]string{}, s.wrap...), args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func overSocket(path string) *http.Client {
	var d net.Dialer
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
	}}
}

// kill ends the daemon as a power failure of the process would: at once. It
// returns when the daemon is gone, and does nothing when it is gone already.
func (d *daemon) kill() { d.end(syscall.SIGKILL) }

// terminate asks the daemon to stop, and returns its exit code.
func (d *daemon) terminate() int {
	d.end(syscall.SIGTERM)
	return d.cmd.ProcessState.ExitCode()
}

func (d *daemon) end(sig syscall.Signal) {
	_ = d.cmd.Process.Signal(sig)
	<-d.done
	_ = d.file.Close()
}

// over is closed when the daemon has ended.
func (d *daemon) over() <-chan struct{} { return d.done }

// exitCode is the exit code of a daemon that has ended; -1 when a signal ended it.
func (d *daemon) exitCode() int { return d.cmd.ProcessState.ExitCode() }

// ready says why the daemon does not work; nil when it does.
func (d *daemon) ready() error {
	resp, err := d.http.Get("http://rotatord/-/ready")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s", resp.Status, why)
	}
	return nil
}

// outcome is what a verb left.
type outcome struct {
	code     int
	out, err string
}

// run runs a verb to its end, a minute at most.
func (s setup) run(t testing.TB, args ...string) outcome {
	t.Helper()
	cmd := s.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatalf("run rotatord %v: %v", args, err)
	}
	stuck := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	_ = cmd.Wait() // the code tells
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// eventually calls check until it succeeds; it is fatal when it still fails after within.
func eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline, tick := time.After(within), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not within %s: %v", what, within, err)
		case <-tick.C:
		}
	}
}
