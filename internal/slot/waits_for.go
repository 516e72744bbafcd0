package slot

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// waitsFor is what a rotation that is due waits for, and until when as far as that is known.
func (v *View) waitsFor() (what WaitsFor, until time.Time) {
	switch {
	case !v.graceAwaitedUntil().IsZero():
		return WaitsForGrace, UTC(v.graceAwaitedUntil())
	case v.waitsForRoom():
		return WaitsForRoom, UTC(v.Seen.NextRoom.Time())
	case v.Seen.Reserving:
		return WaitsForBudget, UTC(v.BudgetUntil)
	}
	return "", time.Time{}
}

// waitsForRoom reports whether a rotation that is due waits for room at its full relay.
func (v *View) waitsForRoom() bool {
	return v.Seen.RelayFull && !v.Seen.NextRoom.IsZero() && v.isDue()
}

func (v *View) fullRelayNote() string {
	return fmt.Sprintf("the relay is full: the rotation waits for room, which is taken by %s; "+
		"revoke a token that nobody uses, or see `rotatord tokens prune`",
		cmp.Or(v.Seen.RelayHolders, "tokens that are yet to be listed"))
}

func (v *View) budgetNote() string {
	if v.BudgetUntil.IsZero() {
		return "waiting for the account's request budget"
	}
	return "waiting for the account's request budget, which lets nothing through before " + UTC(v.BudgetUntil).Format(time.DateTime+"Z")
}

func (v *View) tokenLimitNote() string {
	until := UTC(v.graceAwaitedUntil()).Format(time.DateTime + "Z")
	if v.countLiveTokens() > MaxTokens {
		return "the slot has four tokens, one more than it may have: it rotates when two graces have ended, at " + until
	}
	return "the slot has three tokens, the most it may have: it rotates when the oldest grace ends, at " + until
}

// graceAwaitedUntil returns until when a rotation that is due waits for a grace to end; zero when none makes room for its
// token. Who asked to end a compromise waits for none, who serves nobody neither, and what has expired goes first.
func (v *View) graceAwaitedUntil() time.Time {
	over, q := v.countLiveTokens()-MaxTokens, v.Record.Request
	if v.Plan.Strategy != moq.Overlap || over < 0 || q != nil && q.Compromised || slices.ContainsFunc(v.liveTokens(), v.expired) || !v.isDue() {
		return time.Time{}
	}
	ends := v.graceEnds()
	if over >= len(ends) || v.waitsForNoGrace() {
		return time.Time{}
	}
	return ends[over]
}
