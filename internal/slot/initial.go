package slot

// NoteInitial notes since when a slot that never rotated is to do so at once, as the plan of that comes into force, and
// reports whether that is new.
func (r *Record) NoteInitial(p *Plan, now Timestamp) (isNew bool) {
	atOnce := p != nil && p.Initial == InitialNow && r.Rotation == nil
	if atOnce == !r.InitialSince.IsZero() {
		return false
	}
	if !atOnce {
		now = 0
	}
	r.InitialSince = now
	return true
}

// dueInitially is the first rotation of a slot. One that comes late meets what was due meanwhile, too.
func (v *View) dueInitially() Due {
	if v.Record.Rotation != nil || v.Plan.Initial != InitialNow {
		return Due{}
	}
	return v.dueAt(CauseInitial, earlierOf(v.Record.InitialSince.Time(), v.Now))
}
