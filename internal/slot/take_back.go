package slot

import (
	"slices"
	"time"
)

// Bounds are the latest times that a record can rightly name.
type Bounds struct {
	Present Timestamp // of what has happened
	Met     Timestamp // of the instants that were met: a clock may have been a little fast
	Latest  Timestamp // of our clock and Cloudflare's: where instants that are not believed are taken back to
	Retry   Timestamp // of the next attempt
}

// takeBack has times taken back that nothing can have put where they are.
func (v *View) takeBack() Action {
	b := v.bounds()
	if v.Record.namesTimeBeyond(b) {
		return TakeBack{b}
	}
	if now := TimestampOf(v.Now); b.Met == furthest && (v.Record.latestStart() > now || v.Record.namesInstantAfter(now)) {
		return Wait{v.Now.Add(askAgainIn)}
	}
	return Wait{}
}

// bounds are those of the present. Which instants were met is believed as far as our clock or Cloudflare's reaches, and
// while Cloudflare's time may still become known, however far.
func (v *View) bounds() Bounds {
	slack := v.clockSlack()
	b := Bounds{Present: TimestampOf(v.Now.Add(slack)), Met: furthest, Latest: furthest, Retry: furthest}
	if v.Record.Failure != nil {
		b.Retry = TimestampOf(v.Now.Add(v.Record.longestRetry()))
	}
	if !v.knowsCloudflare() && !v.ourClockHasToDo() {
		return b
	}
	latest := v.latestTime().Add(slack)
	b.Latest = TimestampOf(latest)
	if b.Met = b.Latest; v.Plan != nil && v.Plan.Schedule != nil && v.Record.namesInstantAfter(b.Met) {
		b.Met = max(b.Met, TimestampOf(v.Plan.Schedule.Next(latest)))
	}
	return b
}

// furthest is further ahead than any time.
const furthest = Timestamp(1<<63 - 1)

// namesInstantAfter reports whether an instant was met that is later than t.
func (r *Record) namesInstantAfter(t Timestamp) bool {
	after := func(rot *Rotation) bool { return rot != nil && rot.MeetsThrough > t }
	return r.MetThrough > t || after(r.PendingMint) || after(r.Rotation)
}

// latestStart is the latest time from which on something of the slot's schedule counts.
func (r *Record) latestStart() Timestamp { return max(r.FirstSeen, r.InitialSince, r.inForce().Since) }

// namesTimeBeyond reports whether the record names a time beyond the bounds.
func (r *Record) namesTimeBeyond(b Bounds) bool {
	lostAhead := func(l Orphan) bool { return max(TimestampOf(l.At), l.TurnedUp) > b.Present }
	return r.latestStart() > b.Latest || r.MetThrough > b.Met || r.PendingMint.startedBeyond(b) || r.Rotation.startedBeyond(b) ||
		slices.ContainsFunc(r.Orphans, lostAhead) || r.Request.askedBeyond(b) || r.Failure.failedBeyond(b)
}

func (rot *Rotation) startedBeyond(b Bounds) bool {
	return rot != nil && (rot.Started > b.Present || rot.LostAt > b.Present || rot.MeetsThrough > b.Met)
}

func (q *Request) askedBeyond(b Bounds) bool { return q != nil && TimestampOf(q.At) > b.Present }

func (f *Failure) failedBeyond(b Bounds) bool {
	return f != nil && (max(TimestampOf(f.At), TimestampOf(f.Since)) > b.Present || TimestampOf(f.Next) > b.Retry)
}

// TakeBack takes back what lies beyond the bounds. What the record points to stays as it is: a copy may be on its way
// to the journal.
func (r *Record) TakeBack(b Bounds) {
	r.FirstSeen, r.InitialSince = min(r.FirstSeen, b.Latest), min(r.InitialSince, b.Latest)
	r.MetThrough = b.believed(r.MetThrough)
	if f := r.inForce(); f.Since > b.Latest {
		f.Since = b.Latest
		r.keep(f)
	}
	for _, rot := range []**Rotation{&r.PendingMint, &r.Rotation} {
		if (*rot).startedBeyond(b) {
			own := **rot
			own.Started, own.LostAt = min(own.Started, b.Present), min(own.LostAt, b.Present)
			own.MeetsThrough = b.believed(own.MeetsThrough)
			*rot = &own
		}
	}
	for i := range r.Orphans {
		r.Orphans[i].At, r.Orphans[i].TurnedUp = notAfter(r.Orphans[i].At, b.Present), min(r.Orphans[i].TurnedUp, b.Present)
	}
	if r.Request.askedBeyond(b) {
		own := *r.Request
		own.At = notAfter(own.At, b.Present)
		r.Request = &own
	}
	if r.Failure.failedBeyond(b) {
		r.Failure = r.Failure.takenBack(b)
	}
}

// takenBack has a next attempt that no failure can have put where it is be made now.
func (f *Failure) takenBack(b Bounds) *Failure {
	own := *f
	own.At, own.Since = notAfter(own.At, b.Present), notAfter(own.Since, b.Present)
	if TimestampOf(own.Next) > b.Retry {
		own.Next = b.Present.Time()
	}
	return &own
}

// believed is an instant as far as it can have been met.
func (b Bounds) believed(instant Timestamp) Timestamp {
	if instant > b.Met {
		return b.Latest
	}
	return instant
}

func notAfter(t time.Time, latest Timestamp) time.Time {
	if TimestampOf(t) > latest {
		return latest.Time()
	}
	return t
}
