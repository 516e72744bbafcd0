package daemon

import (
	"context"
	"fmt"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Where systemd did not start the process, these do nothing.

func notifyReady() { _, _ = systemd.SdNotify(false, systemd.SdNotifyReady) }

// notifyStatus sets the line that `systemctl status` shows.
func notifyStatus(text string) { _, _ = systemd.SdNotify(false, "STATUS="+text) }

// notifyStopping also has systemd wait for a stop that may take longer than the unit says.
func notifyStopping(within time.Duration) {
	_, _ = systemd.SdNotify(false, fmt.Sprintf("%s\nSTATUS=stopping: finishing the steps in hand\nEXTEND_TIMEOUT_USEC=%d", systemd.SdNotifyStopping, (within+lastMoment).Microseconds()))
}

// lastMoment is what the end of a process may take beyond its stop: a log that nobody reads takes a second.
const lastMoment = 5 * time.Second

// notifyReloading is followed by notifyReady.
func notifyReloading() {
	_, _ = systemd.SdNotify(false, systemd.SdNotifyReloading+"\n"+monotonicUsec())
}

// monotonicUsec is what systemd wants with RELOADING=1.
func monotonicUsec() string {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return fmt.Sprintf("MONOTONIC_USEC=%d", ts.Nano()/1000)
}

// keepWatchdogQuiet tells systemd that rotatord is alive, at half the time it allows.
func keepWatchdogQuiet(ctx context.Context) {
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	for wait(ctx, every/2) {
		_, _ = systemd.SdNotify(false, systemd.SdNotifyWatchdog)
	}
}
