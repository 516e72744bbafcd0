package daemon

import (
	"runtime"
	"testing"
)

func TestASmallMachineRunsAsManyGoroutinesAsSyncsAskFor(t *testing.T) {
	for _, c := range []struct {
		environment string
		had, want   int
	}{
		{"", 2, LeastThreads},
		{"", LeastThreads + 1, LeastThreads + 1},
		{"2", 2, 2}, // the operator knows better
	} {
		t.Setenv("GOMAXPROCS", c.environment)
		before := runtime.GOMAXPROCS(c.had)
		RaiseThreads()
		if got := runtime.GOMAXPROCS(before); got != c.want {
			t.Errorf("with GOMAXPROCS=%q, %d became %d, want %d", c.environment, c.had, got, c.want)
		}
	}
}
