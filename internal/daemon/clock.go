package daemon

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/slot"
)

// SystemClock is the machine's clocks. The zero value is not ready; use NewSystemClock.
// It implements rotation.Clock, and is safe for concurrent use.
type SystemClock struct{ boot string }

// NewSystemClock reads the boot's id. Where there is none, every process counts
// as a boot of its own.
func NewSystemClock() SystemClock {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return SystemClock{boot: "process-" + time.Now().UTC().Format(time.RFC3339Nano)}
	}
	return SystemClock{boot: strings.TrimSpace(string(b))}
}

// during returns the same clocks for one term of several: what was read in another is of another boot. Machines that were
// cloned share a boot's id, and replicas share records.
func (c SystemClock) during(term int64) SystemClock {
	return SystemClock{boot: fmt.Sprintf("%s/%d", c.boot, term)}
}

// Now is the wall clock.
func (SystemClock) Now() time.Time { return time.Now() }

// Elapsed is the time since boot, suspension included, and the boot's id.
func (c SystemClock) Elapsed() slot.Reading { return slot.Reading{Boot: c.boot, Elapsed: sinceBoot()} }

// sinceBoot is the time since boot, suspension included. No change of the wall clock moves it.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
