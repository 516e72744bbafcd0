package slot

// othersInspectedFirst has all slots looked at once before anything is begun for a place that does not hold what the
// slot delivered there: under another name, it may be where another delivered last.
func (v *View) othersInspectedFirst(targets []Target) (Action, bool) {
	if v.OthersAwaitedFor <= 0 {
		return nil, true
	}
	if s, ok := v.inspectedFirst(targets, DepthProbe); !ok {
		return s, false
	}
	for _, t := range targets {
		l := v.Seen.Inspections.At(t.Location)
		own := l.Known && l.Exists && v.Record.Receipts.At(t.Location).Matches(l.Digest)
		if l.Err == nil && !own && v.Sightings.At(t.Location).Place != 0 {
			return Wait{v.Now.Add(v.OthersAwaitedFor)}, false
		}
	}
	return nil, true
}

// placesKnownFirst waits before there is a turn in the budget, which others could use meanwhile.
func (v *View) placesKnownFirst() (Action, bool) {
	return v.othersInspectedFirst(RequiredOf(v.Plan.Targets))
}
