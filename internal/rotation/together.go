package rotation

import (
	"runtime"
	"sync"
)

// together runs do(0) to do(n-1) side by side, and waits for all.
type together func(n int, do func(i int))

// sideBySide runs each at once. The first needs no goroutine: it begins without a switch.
func sideBySide(n int, do func(i int)) {
	var wg sync.WaitGroup
	defer wg.Wait() // even if do(0) panics: what comes next must be alone
	for i := 1; i < n; i++ {
		wg.Go(func() { do(i) })
	}
	if n > 0 {
		do(0)
	}
}

// atMost runs so many of them at a time.
func (t together) atMost(atOnce, n int, do func(i int)) {
	atOnce = min(atOnce, n)
	t(atOnce, func(first int) {
		for i := first; i < n; i += atOnce {
			do(i)
		}
	})
}

// forMany runs them on all processors if they are many.
func (t together) forMany(n int, do func(i int)) {
	t.atMost(min(runtime.NumCPU(), runtime.GOMAXPROCS(0), 1+n/1000), n, do)
}
