package cf

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// limitsCountFor is how long what an answer says of its limits counts: no answer stops a
// budget for longer, whatever it asks for.
const limitsCountFor = fault.LongestBlock

// policy is Cloudflare's own limit as far as it binds us; zero when unknown.
type policy struct {
	limit int // our share of it, in one window of the budget
	burst int // our share of it in one window of Cloudflare's
	until time.Time
}

// scarce is what is left for us because others use up the same quota.
type scarce struct {
	limit int // requests of ours that one window may hold
	left  int // what Cloudflare says is left for everybody
	until time.Time
}

func (s scarce) isActive() bool { return !s.until.IsZero() }

// rawPolicy is the Ratelimit-Policy header: quota requests in window.
type rawPolicy struct {
	quota  int
	window time.Duration
}

func parsePolicy(h http.Header) (rawPolicy, bool) {
	params := defaultItem(h.Get("Ratelimit-Policy"))
	q, ok := parseCount(params["q"])
	w, known := parseCount(params["w"])
	if !known {
		w = 0
	}
	return rawPolicy{q, time.Duration(w) * time.Second}, ok && q > 0
}

// scaledTo returns our share of p in the budget's own window.
func (p rawPolicy) scaledTo(b *Budget) policy {
	if p.window <= 0 {
		p.window = b.per
	}
	q := float64(p.quota)
	return policy{limit: b.shareOf(q * b.per.Seconds() / p.window.Seconds()), burst: b.shareOf(q)}
}

// left is the Ratelimit header: requests left until the quota is reset.
type left struct {
	requests int
	reset    time.Duration // negative when unknown
}

func parseLeft(h http.Header) (left, bool) {
	params := defaultItem(h.Get("Ratelimit"))
	r, ok := parseCount(params["r"])
	t, known := parseCount(params["t"])
	if !known {
		t = -1
	}
	return left{r, time.Duration(t) * time.Second}, ok
}

// untilReset is when to ask again; one window is long enough, whatever the header says.
func (l left) untilReset(window time.Duration) time.Duration {
	window = min(window, limitsCountFor)
	if l.reset < 0 {
		return window
	}
	return min(l.reset, window)
}

// defaultItem returns the parameters of the item "default" of a structured header
// list, or of its first item: `"default";r=50;t=30`.
func defaultItem(header string) map[string]string {
	var first map[string]string
	for item := range strings.SplitSeq(header, ",") {
		name, rest, _ := strings.Cut(item, ";")
		params := itemParams(rest)
		if strings.TrimSpace(name) == `"default"` {
			return params
		}
		if first == nil {
			first = params
		}
	}
	return first
}

func itemParams(text string) map[string]string {
	params := map[string]string{}
	for p := range strings.SplitSeq(text, ";") {
		if k, v, ok := strings.Cut(p, "="); ok {
			params[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return params
}

// parseCount accepts what a quota or a number of seconds can sensibly be.
func parseCount(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err == nil
}

// retryAfter is what a Retry-After asks for: at least a second, at most as long
// as limits count; fallback when it is absent or malformed.
func retryAfter(h http.Header, now time.Time, fallback time.Duration) time.Duration {
	d, ok := fault.RetryAfter(h, now)
	if !ok {
		d = fallback
	}
	return min(max(d, time.Second), limitsCountFor)
}
