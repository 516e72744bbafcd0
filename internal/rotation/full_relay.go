package rotation

import (
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/slot"
)

// awaitRoom has a slot whose mint the full relay refused wait for room, which is no failure yet, and
// reports whether it does. What failed before the mint has gone well since. w.mu is held.
func (w *worker) awaitRoom() (waits bool) {
	o, now := w.ensureNotes(), w.engine.now()
	o.refusedMints++
	v := w.view()
	until, waits := v.RoomWait(now.Add(w.engine.jittered(slot.RoutineBackoff(), int(o.refusedMints), 0)))
	if !waits || w.record.PendingMint != nil {
		o.NextRoom = 0
		return false
	}
	o.NextRoom = slot.TimestampOf(until)
	if !w.record.Unfinished() {
		w.record.EndFailure()
	}
	return true
}

// tellOfFullRelay makes the end of the attempt durable, and says what the slot waits for.
func (w *worker) tellOfFullRelay(err error) {
	var account string
	var next time.Time
	var refused int32
	w.locked(func() {
		w.cancelReservation()
		o := w.ensureNotes()
		account, next, refused = w.accountName(), o.NextRoom.Time(), o.refusedMints
	})
	w.engine.Observer.AttemptFailed(account, slot.StageMint, string(fault.Full))
	if refused <= 2 { // the second knows whose its tokens are
		w.log().Warn("the relay is full: the rotation waits for room", zap.Error(err), zap.Time("next_attempt", next))
	}
	_ = w.save()
}

// forgetFullRelay makes as if the relay had refused no mint.
func (o *notes) forgetFullRelay() {
	o.RelayFull, o.NextRoom, o.RelayHolders, o.refusedMints = false, 0, "", 0
}

// tellHolders returns err with whose the relay's tokens are, as far as that is known. w.mu is held.
func (w *worker) tellHolders(err error) error {
	holders := w.ensureNotes().RelayHolders
	if holders == "" {
		return err
	}
	return fault.Newf(fault.Permanent, fault.Full, "", "", "%w; its room is taken by %s", err, holders).
		WithHint("revoke a token that nobody uses, or see `rotatord tokens prune`")
}

// relayHolders says whose the relay's tokens are, as far as they were listed. w.mu is held.
func (w *worker) relayHolders() string {
	listing := w.ensureNotes().Listing
	if listing == nil {
		return ""
	}
	holders := make([]string, 0, moq.RelayPlaces)
	for _, t := range listing.Tokens[:min(len(listing.Tokens), moq.RelayPlaces)] {
		holders = append(holders, fmt.Sprintf("%s (%s, created %s, expires %s)", t.ID, w.holderName(listing, t),
			t.Created.UTC().Format(time.DateOnly), t.Expires.UTC().Format(time.DateOnly)))
	}
	return strings.Join(holders, ", ")
}

// holderName says whose a listed token is: the slot of ours that owns it, else who made it. w.mu is held.
func (w *worker) holderName(l *slot.Listing, t moq.Token) string {
	switch owner := l.Owners[t.ID]; {
	case owner != "":
		return owner
	case w.record.Owns(t):
		return w.nameLocked()
	}
	return makerOf(t)
}

// makerOf says who made a token, as far as its label tells.
func makerOf(t moq.Token) string {
	if instance, ok := moq.LabelInstance(t.Label); ok {
		return "rotatord " + redact.Name(instance)
	}
	if t.Label == "" {
		return "no label"
	}
	return "label " + redact.Label(t.Label)
}
