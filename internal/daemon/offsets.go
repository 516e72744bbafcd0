package daemon

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/timefmt"
)

// offsetTold is how far this machine's clock may be from Cloudflare's before a person is told.
const offsetTold = 30 * time.Second

// offsetOf is how far this machine's clock is ahead of Cloudflare's; known is false where that is not known.
func offsetOf(t moq.CloudflareTime) (ahead time.Duration, known bool) {
	if t.Now.IsZero() {
		return 0, false
	}
	return time.Now().Round(0).Sub(t.Now.Round(0)), true
}

// eachOffset visits the accounts whose time is known.
func (w *accountWatch) eachOffset(yield func(account string, ahead time.Duration)) {
	for _, name := range w.names() {
		if c := w.backends().byName[name]; c != nil {
			if ahead, known := offsetOf(c.Time()); known {
				yield(name, ahead)
			}
		}
	}
}

// tellOffsets logs which clocks are apart now, or no more.
func (w *accountWatch) tellOffsets() {
	for _, name := range w.names() {
		if c := w.backends().byName[name]; c != nil {
			w.tellOffset(name, c.Time())
		}
	}
}

// tellOffset logs that the clocks are apart, or no more, each once.
func (w *accountWatch) tellOffset(name string, t moq.CloudflareTime) {
	ahead, known := offsetOf(t)
	if !known || !w.crosses(name, ahead.Abs() > offsetTold) {
		return
	}
	if ahead.Abs() > offsetTold {
		w.log.Warn(offsetText(ahead, t.Now, w.ofReplicas), zap.String("account", name), zap.Duration("ahead", ahead.Round(time.Millisecond)))
		return
	}
	w.log.Info("this machine's clock agrees with Cloudflare's again", zap.String("account", name))
}

// crosses notes whether the clocks are apart, and reports whether that is new.
func (w *accountWatch) crosses(name string, off bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen[name]
	if s == nil || s.off == off {
		return false
	}
	s.off = off
	return true
}

// offsetText says that the clocks are apart by more than offsetTold, what goes by which, and what to do.
func offsetText(ahead time.Duration, theirs time.Time, ofReplicas bool) string {
	which, goBy := "ahead of", "schedules go by it, tokens"
	if ahead < 0 {
		which = "behind"
	}
	if ofReplicas {
		goBy = "schedules and tokens go" // slot.ScheduleNow
	}
	return fmt.Sprintf("this machine's clock is %s %s Cloudflare's (%s where Cloudflare's answers say %s): "+
		"%s by Cloudflare's; set it (timedatectl, chronyc)",
		timefmt.Words(ahead.Abs().Round(10*time.Second)), which, timefmt.Stamp(theirs.Add(ahead)), timefmt.Stamp(theirs), goBy)
}

// worstOffset says how far the clocks of the account are apart whose are most; "" where none tells of it.
func (w *accountWatch) worstOffset() string {
	var account string
	worst := offsetTold
	w.eachOffset(func(name string, ahead time.Duration) {
		if ahead.Abs() > worst.Abs() {
			account, worst = name, ahead
		}
	})
	if account == "" {
		return ""
	}
	return "account " + account + ": " + offsetText(worst, time.Now().Add(-worst), w.ofReplicas)
}
