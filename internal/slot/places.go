package slot

import (
	"cmp"
	"fmt"
	"time"
)

// PlaceWait returns until when a rotation waits whose mint a full relay refused, and which would be
// tried again at next; false when it failed, because the slot is overdue by now.
func (v *View) PlaceWait(next time.Time) (until time.Time, waits bool) {
	overdue := v.overdueFrom()
	if !overdue.IsZero() && !v.Now.Before(overdue) {
		return time.Time{}, false
	}
	return earlierOf(next, overdue), true
}

// nextPlaceAt is when a mint that a full relay refused is tried again; zero when it may be now.
func (v *View) nextPlaceAt() time.Time {
	next := v.Seen.NextPlace.Time()
	if !v.waitsUntil(next, RoutineBackoff().Longest) {
		return time.Time{}
	}
	return next
}

// waitsForPlace reports whether a rotation that is due waits for a place at its full relay.
func (v *View) waitsForPlace() bool {
	return v.Seen.RelayFull && !v.Seen.NextPlace.IsZero() && v.isDue()
}

func (v *View) placeNote() string {
	return fmt.Sprintf("the relay is full: the rotation waits for a place; they are held by %s; "+
		"revoke a token that nobody uses, or see `rotatord tokens prune`",
		cmp.Or(v.Seen.PlaceHolders, "tokens that are yet to be listed"))
}
