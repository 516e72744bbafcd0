// Package e2e drives the real rotatord as a user would: over its command line,
// its signals and its HTTP, against a simulated Cloudflare, a real Vault, a
// stand-in for AWS and files.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// aMinute makes the load test run for a whole minute.
var aMinute = flag.Bool("e2e.minute", false, "run the load test for a minute instead of some seconds")

// rotatord is the path of the rotatord under test, built once with the race detector.
var rotatord string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rotatord-e2e-")
	if err != nil {
		return complain(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
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
