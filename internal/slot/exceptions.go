package slot

// Exceptions are what few records have to say: the others are to take no memory for it. It is replaced, not changed.
type Exceptions struct {
	ForgottenMints

	// FirstSeenClock is when the slot was first seen, as long as it is not known what the clock of schedules showed then:
	// FirstSeen is by ours.
	FirstSeenClock Reading `json:"first_seen_clock,omitzero"`
}

func (r *Record) exceptions() (x Exceptions) {
	if r.Exceptions != nil {
		x = *r.Exceptions
	}
	return x
}

func (r *Record) keepExceptions(x Exceptions) {
	r.Exceptions = &x
	if len(x.ForgottenIDs) == 0 && x.ForgottenThrough == "" && x.FirstSeenClock == (Reading{}) {
		r.Exceptions = nil
	}
}
