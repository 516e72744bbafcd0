// Package bench measures rotatord beside the least that its work can take. `make
// bench` prints the table that docs/performance.md explains. Everything is a
// ratio within one run, or a figure of one process; nothing here fails because a
// machine is slow.
package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	app "github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/test/harness"
)

// options are the command line's.
type options struct {
	sizes  []int // numbers of slots of the scale
	rounds int   // rotations a figure of the blackout is made of
	fleet  int   // slots of the throughput
	// overdue are the slots under the budget, in virtual time.
	overdue int
}

// given is set once, before anything runs.
var given options

// rotatord is the rotatord under measurement, as it is released.
var rotatord *harness.Binary

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
	app.RaiseThreads() // as rotatord does
	rotatord = harness.NewBinary("rotatord", false)
	defer rotatord.Remove()
	return m.Run(), nil
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

// resolvedDir is a folder without symbolic links on the way.
func resolvedDir(tb testing.TB) string {
	tb.Helper()
	return harness.Must[string](tb)(filepath.EvalSymlinks(tb.TempDir()))
}
