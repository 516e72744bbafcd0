package slot

import (
	"testing"
	"time"
)

func TestWhatLifeWasAskedForIsReadFromOneClockAlone(t *testing.T) {
	now := TimestampOf(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	const month, ahead = 30 * 24 * time.Hour, 400 * 24 * time.Hour
	for _, tt := range []struct {
		what string
		rot  Rotation
		want time.Duration
	}{
		{"nothing was asked", Rotation{Started: now}, longestLife},
		{"a month", Rotation{Started: now, Expires: now.Add(month)}, month},
		{"a month, by Cloudflare's time", Rotation{
			Started: now.Add(ahead), Clock: Reading{Cloudflare: now}, Expires: now.Add(month),
		}, month},
		{"our clock was set ahead before the call", Rotation{Started: now.Add(ahead), Expires: now.Add(month)}, longestLife},
		{"our clock was ahead, and Cloudflare's time became known before the call", Rotation{
			Started: now.Add(ahead), Clock: Reading{Cloudflare: now}, Expires: now.Add(ahead + month),
		}, longestLife},
	} {
		if got := tt.rot.AskedLife(); got != tt.want {
			t.Errorf("%s: %s", tt.what, got)
		}
	}
}
