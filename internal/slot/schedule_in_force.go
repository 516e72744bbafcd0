package slot

import "time"

// ScheduleInForce is what a record keeps of the schedule that its slot goes by, so that a changed one is told, across a
// restart too. It is replaced, not changed.
type ScheduleInForce struct {
	Text string `json:"text,omitempty"` // as written; "": not known, as in the journal of an older version
	Zone string `json:"zone,omitempty"`
	// Since is when it took the place of another one: what it says of the time before does not count.
	Since Timestamp `json:"since,omitzero"`
	// Next is the first unmet instant of Text, when the record was saved, or another plan came (LeaveSchedule). Right after
	// a change it may be that of the former schedule instead, which is not after Since: it is owed (owes) until it is met.
	Next Timestamp `json:"next,omitzero"`
}

func (f ScheduleInForce) isOf(p *Plan) bool { return f.Text == p.Expr && f.Zone == p.Timezone }

// NoteSchedule notes by which schedule the slot goes and what is next by it; not while a changed schedule is yet to be
// adopted, nor while an instant of a former one is owed.
func (r *Record) NoteSchedule(p *Plan) {
	f := r.inForce()
	if p == nil || p.Expr == "" || f.Text != "" && !f.isOf(p) || r.owes(f) {
		return
	}
	f.Text, f.Zone, f.Next = p.Expr, p.Timezone, 0
	if p.Schedule != nil {
		f.Next = TimestampOf(p.Schedule.Next(max(r.noneMissedThrough(), f.Since).Time()))
	}
	r.keep(f)
}

// LeaveSchedule notes, before the view's plan is replaced, which instant of its schedule would be met next, unless the next
// plan, if there is one, has the same schedule. What the former plan leaves out is none: it must not hide one that is due.
func (v *View) LeaveSchedule(next *Plan) {
	f := v.Record.inForce()
	if v.Plan == nil || v.Plan.Schedule == nil || f.Text == "" || !f.isOf(v.Plan) || next != nil && f.isOf(next) {
		return
	}
	f.Next = TimestampOf(v.firstUnmet())
	v.Record.keep(f)
}

// keep replaces what is known of the schedule: the former may be on its way to the journal.
func (r *Record) keep(f ScheduleInForce) {
	if r.inForce() != f {
		r.InForce = &f
	}
}

// inForce is the schedule that the slot goes by, as far as it is known.
func (r *Record) inForce() (f ScheduleInForce) {
	if r.InForce != nil {
		f = *r.InForce
	}
	return f
}

// noneMissedThrough is the instant up to which nothing is missed, whatever the schedule.
func (r *Record) noneMissedThrough() Timestamp { return max(r.MetThrough, r.FirstSeen) }

// owes reports whether an instant of a former schedule is unmet.
func (r *Record) owes(f ScheduleInForce) bool {
	return f.Next > r.noneMissedThrough() && f.Next <= f.Since
}

// AdoptSchedule has the slot go by the plan's schedule from a time on. What was due by the former one and is unmet stays
// due, unless there is none any more.
func (r *Record) AdoptSchedule(p *Plan, now Timestamp) { r.keep(r.adopted(p, now)) }

func (r *Record) adopted(p *Plan, now Timestamp) ScheduleInForce {
	f := r.inForce()
	if f.isOf(p) {
		return f
	}
	f = ScheduleInForce{Text: p.Expr, Zone: p.Timezone, Since: now, Next: f.Next} // the former's, if it is owed
	if p.Schedule == nil || !r.owes(f) {
		f.Next = 0
	}
	return f
}

// adoptSchedule has the slot go by another schedule than it did.
func (v *View) adoptSchedule() Action {
	switch {
	case !v.changesSchedule():
		return Wait{}
	case v.ClockUnset:
		return Wait{v.Now.Add(askAgainIn)}
	}
	return AdoptSchedule{}
}

// changesSchedule reports whether the plan has another schedule than the slot went by.
func (v *View) changesSchedule() bool {
	f := v.Record.inForce()
	return v.Plan != nil && v.Plan.Expr != "" && f.Text != "" && !f.isOf(v.Plan)
}

// scheduleInForce is the schedule that the slot goes by, or is about to.
func (v *View) scheduleInForce() ScheduleInForce {
	if v.changesSchedule() {
		return v.Record.adopted(v.Plan, TimestampOf(v.ScheduleNow()))
	}
	return v.Record.inForce()
}

// owedInstant is an instant of a former schedule that is to be made up for; zero when there is none.
func (v *View) owedInstant() time.Time {
	f := v.scheduleInForce()
	if !v.Record.owes(f) || v.skipsMissed() && !v.withJitter(f.Next.Time()).After(v.byScheduleClock(v.ActiveSince)) {
		return time.Time{}
	}
	return f.Next.Time()
}
