// Package soak puts the real rotatord under fire: it is killed at random instants
// while disks fill up, sinks come and go and Cloudflare's answers are lost, and
// what its consumers can see is watched all the while. It also takes its state
// away, damages it and restores old copies.
package soak

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The long form is for an hour when nobody waits.
var (
	kills = flag.Int("soak.kills", 15, "how often rotatord is killed; 100 and more is the long form: more slots, more trouble, a real Vault")
	seed  = flag.Uint64("soak.seed", rand.Uint64(), "what the random choices are made from")
	keep  = flag.String("soak.keep", "", "folder for the log of a failed run")
)

// soaked is the path of the rotatord under test, built once and as it is shipped.
var soaked string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rotatord-soak-")
	if err != nil {
		return complain(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	soaked = filepath.Join(dir, "soaked") // a name that nobody else ends processes by
	build := exec.Command("go", "build", "-o", soaked, "github.com/rotatord/rotatord/cmd/rotatord")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
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
