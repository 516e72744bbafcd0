// Package e2e drives the real rotatord as a user would: over its command line,
// its signals and its HTTP, against a simulated Cloudflare, a real Vault, a
// stand-in for AWS and files.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// aMinute makes the load test run for a whole minute.
var aMinute = flag.Bool("e2e.minute", false, "run the load test for a minute instead of some seconds")

// rotatord is the path of the rotatord under test, built once with the race detector.
var rotatord string

// launches are started by one thread that lives as long as the tests: a process
// dies with the thread that started it, so that none is left behind.
var launches = make(chan func())

func launcher() {
	runtime.LockOSThread()
	for launch := range launches {
		launch()
	}
}

// begin starts a process that ends, at the latest, with the tests.
func begin(cmd *exec.Cmd) (err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan struct{})
	launches <- func() { err = cmd.Start(); close(started) }
	<-started
	return err
}

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait far more than they compute.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	// A hangup that is ignored (nohup) would be ignored by what is started, too; one that is caught is not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	go launcher()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rotatord-e2e-")
	if err != nil {
		return complain(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // other users run it too
		return complain(err)
	}
	rotatord = filepath.Join(dir, "rotatord")
	build := exec.Command("go", "build", "-race", "-o", rotatord, "github.com/rotatord/rotatord/cmd/rotatord")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return complain(fmt.Errorf("build rotatord: %w", err))
	}
	return m.Run()
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
