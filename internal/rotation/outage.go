package rotation

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
)

// A sink or an account that is down fails many slots, and each waits out a backoff
// of its own. The first of them finds out that it is back; then the others need not
// wait any longer. Whose a failure is travels with the error.

// retryGap is the least time between two retries of one slot because somebody came back.
const retryGap = 10 * time.Second

// outage is what is known of one upstream, and who waits for it.
type outage struct {
	mu      sync.Mutex
	waiting map[*worker]struct{}
	well    time.Duration // when it last answered as a healthy one
	tried   bool          // one slot was sent ahead since it was last down
	limited bool          // when last down, it was for having been asked too much
}

// outages keeps what is known of every upstream. Safe for concurrent use.
type outages struct {
	clock Clock
	log   *zap.Logger
	of    sync.Map // *outage by upstream
}

func (os *outages) outageOf(p upstream) *outage {
	if o, ok := os.of.Load(p); ok {
		return o.(*outage)
	}
	o, _ := os.of.LoadOrStore(p, &outage{waiting: map[*worker]struct{}{}})
	return o.(*outage)
}

// elapsed is the elapsed-time clock, on which all outages are told.
func (os *outages) elapsed() time.Duration { return os.clock.Elapsed().Elapsed }

// noteCallOutcome takes note of the outcome of a call that began at a time, and says in its
// error whose it is.
func (os *outages) noteCallOutcome(p upstream, began time.Duration, err error) error {
	shown, at := upstreamStateOf(err), evidenceSince(err, began, os.elapsed())
	if shown == healthy {
		os.noteRecovered(p.forReads(), at)
		if p.writes {
			os.noteRecovered(p, at)
		}
	}
	if err == nil {
		return nil
	}
	p = p.blamedFor(err)
	if shown == down {
		os.outageOf(p).noteDown(at, fault.Of(err).Reason == fault.RateLimited)
	}
	return &upstreamError{err, []blame{{p, shown == down, at}}}
}

// evidenceSince is since when an outcome says something: without an answer, since the call began.
func evidenceSince(err error, began, now time.Duration) time.Duration {
	if err == nil {
		return now
	}
	if r := fault.Of(err).Reason; r == fault.Timeout || r == fault.Unreachable {
		return began
	}
	return now
}

// awaitUpstreams has the slot retry when those are back for which it waits.
// What is older than a healthy answer is nothing to wait for.
func (w *worker) awaitUpstreams(blames []blame) {
	for _, k := range blames {
		if !k.down {
			continue
		}
		if back := w.engine.outages.outageOf(k.upstream).addWaiting(w, k.at); back {
			w.retrySoonerFor(k.upstream)
		}
	}
}

// addWaiting has a slot wait for the upstream. If that was well after what was seen at a time, the slot does not wait, and
// back is true.
func (o *outage) addWaiting(w *worker, seen time.Duration) (back bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if seen < o.well {
		return true
	}
	o.waiting[w] = struct{}{}
	return false
}

// noteDown notes that the upstream was down at a time.
func (o *outage) noteDown(at time.Duration, limited bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at >= o.well {
		o.tried, o.limited = false, limited
	}
}

// noteRecovered lets go of those who wait for an upstream that is seen to be healthy: one
// first, and all with the next such answer. One that limits its calls answers some of
// them well all the while: each such answer lets one go.
func (os *outages) noteRecovered(p upstream, at time.Duration) {
	o := os.outageOf(p)
	o.mu.Lock()
	o.well = max(o.well, at)
	all := o.tried && !o.limited
	o.tried = true
	freed, worthSaying := o.sendWaiting(p, all), !o.limited
	o.mu.Unlock()
	if freed > 0 && worthSaying {
		os.log.Info("it answers again: slots that waited for it try at once", p.logField(), zap.Int("slots", freed))
	}
}

// sendAhead lets one of those who wait for p try it now; when it goes well, the others follow.
func (os *outages) sendAhead(p upstream) {
	o := os.outageOf(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tried = true
	o.sendWaiting(p, false)
}

// sendWaiting has one slot retry, or all, that still wait for p; o.mu is held.
func (o *outage) sendWaiting(p upstream, all bool) (freed int) {
	for w := range o.waiting {
		delete(o.waiting, w)
		if !w.retrySoonerFor(p) {
			continue
		}
		if freed++; !all {
			break
		}
	}
	return freed
}
