package sinks

// Calls says how many requests a sink makes of its store for each of its operations on one
// target, while all is well and the target holds what rotatord wrote. Logins are not counted.
type Calls struct {
	Probe int // a routine look at a target
	Trial int // the look right before a mint, with a trial
	Write int // after such a look
	Read  int // reading back, or before a revocation
	// PerMinute is what probes and trials share, whichever target they are of: asked for at most so often a minute.
	PerMinute int
}

// CallsOf returns what a sink's operations cost its store: one request each, where spec does not say
// otherwise by a method Calls() Calls.
func CallsOf(spec Spec) Calls {
	if s, ok := spec.(interface{ Calls() Calls }); ok {
		return s.Calls()
	}
	return Calls{Probe: 1, Trial: 1, Write: 1, Read: 1}
}
