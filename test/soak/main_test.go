// Package soak puts the real rotatord under fire: it is killed at random instants
// while disks fill up, sinks come and go, Cloudflare's answers are lost, its clock is
// set wrong and its configuration moves, and what its consumers can see is watched
// all the while. It also takes its state away, damages it and restores old copies. Of
// several replicas on one etcd it takes the leader away, again and again.
package soak

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

// The long form is for an hour when nobody waits.
var (
	kills     = flag.Int("soak.kills", 15, "how often rotatord is killed; 100 and more is the long form: more slots, more trouble, a real Vault")
	within    = flag.Duration("soak.within", 0, "after how long nothing is killed any more, however often it was; 0: never")
	failovers = flag.Int("soak.failovers", 8, "how often the leader of several replicas is taken away; 100 and more is the long form")
	seed      = flag.Uint64("soak.seed", rand.Uint64(), "what the random choices are made from")
	keep      = flag.String("soak.keep", "", "folder for the log of a failed run")
)

// soaked is the rotatord under test, as it is shipped but for a wall clock that a test can move, under a name that
// nobody else ends processes by.
var soaked *harness.Binary

func TestMain(m *testing.M) {
	flag.Parse()
	soaked = harness.NewClockBinary("soaked")
	code := m.Run()
	soaked.Remove()
	os.Exit(code)
}
