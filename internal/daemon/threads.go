package daemon

import (
	"os"
	"runtime"
)

// LeastThreads is how many goroutines run at a time, whatever the machine is.
const LeastThreads = 8

// RaiseThreads raises GOMAXPROCS to LeastThreads, unless the environment sets it. It is meant for the
// beginning of a program.
//
// A goroutine that syncs a file keeps its place among those that run until the runtime
// notices, after 10 or 20 ms on a machine that is mostly idle. On two processors two
// slow syncs, a sink's and the journal's, would let everything else wait, though the
// processors are free.
func RaiseThreads() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < LeastThreads {
		runtime.GOMAXPROCS(LeastThreads)
	}
}
