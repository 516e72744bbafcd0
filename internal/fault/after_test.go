package fault_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

func TestRetryAfterIsReadInSecondsOrAsADate(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	longest := time.Duration(math.MaxInt64).Truncate(time.Second)
	for text, want := range map[string]time.Duration{
		"0": 0, "90": 90 * time.Second, " 90 ": 90 * time.Second, "2147483647": math.MaxInt32 * time.Second,
		"9223372036854775807": longest, "99999999999999999999999999": longest,
		"Thu, 01 Jan 2026 00:02:00 GMT": 2 * time.Minute, "Wed, 31 Dec 2025 23:59:00 GMT": -time.Minute,
	} {
		if d, ok := fault.RetryAfter(http.Header{"Retry-After": {text}}, now); !ok || d != want {
			t.Errorf("%q: %s, %v, want %s", text, d, ok, want)
		}
	}
	for _, text := range []string{"", " ", "-1", "+5", "1.5", "soon", "1h", "0x10"} {
		if d, ok := fault.RetryAfter(http.Header{"Retry-After": {text}}, now); ok {
			t.Errorf("%q is read as %s", text, d)
		}
	}
}

func TestADateIsReadAgainstTheAnswersOwn(t *testing.T) {
	h := http.Header{"Date": {"Thu, 01 Jan 2026 00:00:30 GMT"}, "Retry-After": {"Thu, 01 Jan 2026 00:02:00 GMT"}}
	if d, ok := fault.RetryAfter(h, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)); !ok || d != 90*time.Second {
		t.Errorf("%s, %v", d, ok)
	}
}
