package slot

import "time"

// NewRecord is what is known of a slot that is seen for the first time now.
func NewRecord(p *Plan, now *Times) Record {
	r := Record{Key: p.Key}
	r.DateFirstSight(now.ScheduleNow())
	if !now.knowsScheduleTime() {
		r.keepExceptions(Exceptions{FirstSeenClock: now.Clock})
	}
	r.NoteInitial(p, TimestampOf(now.Now.Truncate(time.Second)))
	return r
}

// DateFirstSight notes when the slot was seen for the first time, by the clock of schedules.
func (r *Record) DateFirstSight(at time.Time) {
	r.FirstSeen = TimestampOf(at.Truncate(time.Second))
	x := r.exceptions()
	x.FirstSeenClock = Reading{}
	r.keepExceptions(x)
}

// dateFirstSight has a first sight of a replica's that was dated by our clock be dated by Cloudflare's time, once that is
// known: where ours was wrong, instants before it would count as missed, or some after it would not count.
func (v *View) dateFirstSight() Action {
	seen := v.Record.exceptions().FirstSeenClock
	switch {
	case seen == Reading{}:
		return Wait{}
	case !v.knowsScheduleTime():
		return Wait{v.Now.Add(askAgainIn)}
	}
	passed, sure := v.passedSince(seen)
	at := v.ScheduleNow().Add(-passed)
	if !sure { // in another term, and nobody knows how long ago: no instant that is due since is to be forgotten
		at = earlierOf(v.Record.FirstSeen.Time(), at)
	}
	return DateFirstSight{at}
}
