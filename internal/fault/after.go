package fault

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter reads a Retry-After header, in seconds or as an HTTP date; false when
// it is absent or malformed. What comes back may be absurd, and a date may have
// passed: whoever waits bounds it.
func RetryAfter(text string, now time.Time) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if text != "" && strings.Trim(text, "0123456789") == "" {
		return inSeconds(text), true
	}
	at, err := http.ParseTime(text)
	return at.Sub(now), err == nil
}

// inSeconds reads a whole number of seconds; more than a Duration holds is the longest one.
func inSeconds(digits string) time.Duration {
	const most = uint64(math.MaxInt64 / time.Second)
	n, _ := strconv.ParseUint(digits, 10, 64) // out of range is the greatest number
	return time.Duration(min(n, most)) * time.Second
}
