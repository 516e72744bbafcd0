// Package threads lets more goroutines run at a time than the machine has processors.
package threads

import (
	"os"
	"runtime"
)

// Least is how many goroutines run at a time, whatever the machine is.
const Least = 8

// Spare raises GOMAXPROCS to Least, unless the environment sets it. It is meant for the
// beginning of a program.
//
// A goroutine that syncs a file keeps its place among those that run until the runtime
// notices, after 10 or 20 ms on a machine that is mostly idle. On two processors two
// slow syncs, a sink's and the journal's, would let everything else wait, though the
// processors are free.
func Spare() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < Least {
		runtime.GOMAXPROCS(Least)
	}
}
