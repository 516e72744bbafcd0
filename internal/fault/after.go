package fault

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// LongestBlock is how long a 429 of Cloudflare may hold anybody up: whatever it asks for, its budget is stopped no
// longer, and no slot waits longer for it.
const LongestBlock = 10 * time.Minute

// RetryAfter reads an answer's Retry-After header, in seconds or as an HTTP date; false when
// it is absent or malformed. A date is read against the answer's own, or now where it has none: the
// clocks may differ. What comes back may be absurd, and a date may have passed: whoever waits bounds it.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text != "" && strings.Trim(text, "0123456789") == "" {
		return inSeconds(text), true
	}
	at, err := http.ParseTime(text)
	if date, dated := http.ParseTime(h.Get("Date")); dated == nil {
		now = date
	}
	return at.Sub(now), err == nil
}

// inSeconds reads a whole number of seconds; more than a Duration holds is the longest one.
func inSeconds(digits string) time.Duration {
	const most = uint64(math.MaxInt64 / time.Second)
	n, _ := strconv.ParseUint(digits, 10, 64) // out of range is the greatest number
	return time.Duration(min(n, most)) * time.Second
}
