package daemon

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheElapsedClockIsOfThisBootAndNeverGoesBack(t *testing.T) {
	first, second := NewSystemClock(), NewSystemClock()
	a, b := first.Elapsed(), second.Elapsed()
	if a.Boot == "" || a.Boot != b.Boot {
		t.Errorf("two clocks of one boot: %q and %q", a.Boot, b.Boot)
	}
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil && strings.TrimSpace(string(id)) != a.Boot {
		t.Errorf("the boot is %q, want the kernel's %q", a.Boot, id)
	}
	if a.Elapsed <= 0 || b.Elapsed < a.Elapsed || b.Elapsed > a.Elapsed+time.Hour {
		t.Errorf("elapsed: %s, then %s", a.Elapsed, b.Elapsed)
	}
	if a.Elapsed > 20*365*24*time.Hour {
		t.Errorf("the machine is up since %s: that is no time since boot", time.Now().Add(-a.Elapsed))
	}
	if d := time.Since(first.Now()); d < 0 || d > time.Hour {
		t.Errorf("the wall clock is off by %s", d)
	}
}
