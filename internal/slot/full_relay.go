package slot

import "time"

// RoomWait returns until when a rotation waits whose mint a full relay refused, and which would be
// tried again at next; false when it failed, because the slot is overdue by now.
func (v *View) RoomWait(next time.Time) (until time.Time, waits bool) {
	overdue, _ := v.overdueFrom()
	if !overdue.IsZero() && !v.Now.Before(overdue) {
		return time.Time{}, false
	}
	return earlierOf(next, overdue), true
}

// fullRelayUntil is when a mint that a full relay refused is tried again; zero when it may be now.
func (v *View) fullRelayUntil() time.Time {
	next := v.Seen.NextRoom.Time()
	if !v.waitsUntil(next, RoutineBackoff().Longest) {
		return time.Time{}
	}
	return next
}
