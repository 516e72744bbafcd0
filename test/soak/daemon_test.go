package soak

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/harness"
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
	*harness.Process
	*harness.Admin
	t testing.TB
}

// start starts `rotatord run` and does not wait for anything. It is killed when
// the test ends, if it still runs. A failure is fatal to the test.
func (s setup) start(t testing.TB) *daemon {
	t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	harness.Check(t, err)
	defer func() { _ = log.Close() }() // the daemon's own is left
	cmd := s.command(t, "run")
	cmd.Stderr = log
	return &daemon{soaked.Start(t, cmd), harness.NewAdmin(s.socket), t}
}

func (s setup) command(t testing.TB, args ...string) *exec.Cmd {
	args = append([]string{soaked.Path(t), "-c", s.config}, args...)
	args = append(append([]string{}, s.wrap...), args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// terminate asks the daemon to stop, and returns its exit code.
func (d *daemon) terminate() int {
	d.Signal(syscall.SIGTERM)
	return d.Wait(d.t, patience)
}

// run runs a verb to its end, a minute at most.
func (s setup) run(t testing.TB, args ...string) harness.Result {
	t.Helper()
	return soaked.Run(t, time.Minute, s.command(t, args...))
}
