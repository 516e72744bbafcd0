// Package bench measures rotatord beside the least that its work can take. `make
// bench` prints the table that docs/performance.md explains. Everything is a
// ratio within one run, or a figure of one process; nothing here fails because a
// machine is slow.
package bench

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/threads"
)

// options are the command line's.
type options struct {
	binary string // the rotatord under measurement
	sizes  []int  // numbers of slots of the scale
	rounds int    // rotations a figure of the blackout is made of
	fleet  int    // slots of the throughput
	// overdue are the slots under the budget, in virtual time.
	overdue int
}

// given is set once, before anything runs.
var given options

func TestMain(m *testing.M) {
	if relays := os.Getenv(simulate); relays != "" {
		fmt.Fprintln(os.Stderr, serveCloudflare(relays))
		os.Exit(1)
	}
	sizes := flag.String("slots", "10,1000,10000,100000", "numbers of slots of the scale")
	flag.IntVar(&given.rounds, "rounds", 200, "rotations a figure of the blackout is made of")
	flag.IntVar(&given.fleet, "fleet", 10_000, "slots of the throughput and the punctuality")
	flag.IntVar(&given.overdue, "overdue", 1000, "overdue slots under the budget")
	flag.Parse()
	code, err := run(m, *sizes)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M, sizes string) (code int, err error) {
	for text := range strings.SplitSeq(sizes, ",") {
		var n int
		if _, err := fmt.Sscan(text, &n); err != nil {
			return 0, fmt.Errorf("-slots %q: %w", sizes, err)
		}
		given.sizes = append(given.sizes, n)
	}
	dir, err := os.MkdirTemp("", "bench-bin-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	threads.Spare() // as rotatord does
	given.binary = filepath.Join(dir, "rotatord")
	return m.Run(), nil
}

// rotatord builds the binary, as it is released.
func rotatord(tb testing.TB) string {
	tb.Helper()
	if _, err := os.Stat(given.binary); err == nil {
		return given.binary
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", given.binary, "github.com/rotatord/rotatord/cmd/rotatord")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build rotatord: %v\n%s", err, out)
	}
	return given.binary
}

// say prints a line of the table.
func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// sample is a set of measurements.
type sample []time.Duration

func (s sample) median() time.Duration { return s.quantile(0.5) }
func (s sample) p99() time.Duration    { return s.quantile(0.99) }

func (s sample) quantile(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func must[T any](tb testing.TB) func(T, error) T {
	return func(v T, err error) T {
		tb.Helper()
		check(tb, err)
		return v
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// resolvedDir is a folder without symbolic links on the way.
func resolvedDir(tb testing.TB) (string, error) { return filepath.EvalSymlinks(tb.TempDir()) }
