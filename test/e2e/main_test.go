// Package e2e drives the real rotatord as a user would: over its command line,
// its signals and its HTTP, against a simulated Cloudflare, a real Vault, a
// stand-in for AWS and files.
package e2e

import (
	"flag"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

// aMinute makes the load test run for a whole minute.
var aMinute = flag.Bool("e2e.minute", false, "run the load test for a minute instead of some seconds")

// rotatord is the rotatord under test, with the race detector; shifted the one whose wall clock a test can move.
var rotatord, shifted *harness.Binary

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait far more than they compute.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	// A hangup that is ignored (nohup) would be ignored by what is started, too; one that is caught is not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	rotatord = harness.NewBinary("rotatord", true)
	shifted = harness.NewClockBinary("rotatord")
	code := m.Run()
	rotatord.Remove()
	shifted.Remove()
	os.Exit(code)
}
