package daemon

import (
	"context"
	"fmt"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Where systemd did not start the process, these do nothing.

func notifyReady() { _, _ = systemd.SdNotify(false, systemd.SdNotifyReady) }

func notifyStopping() { _, _ = systemd.SdNotify(false, systemd.SdNotifyStopping) }

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
