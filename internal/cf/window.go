package cf

import "time"

// window holds when each request ended that still counts against the quota, oldest first.
type window []time.Time

func (w *window) addEnd(at time.Time) { *w = append(*w, at) }

// dropUntil drops what ended at the given time or before.
func (w *window) dropUntil(before time.Time) {
	n := 0
	for n < len(*w) && !(*w)[n].After(before) {
		n++
	}
	*w = (*w)[n:]
}

// nextRoom says when there is a turn below limit, with inFlight requests under way;
// ok is false when that needs a request to end first.
func (w window) nextRoom(now time.Time, inFlight int, per time.Duration, limit int) (at time.Time, ok bool) {
	over := inFlight + len(w) - limit + 1
	switch {
	case over <= 0:
		return now, true
	case over > len(w):
		return now, false
	}
	return w[over-1].Add(per), true
}
