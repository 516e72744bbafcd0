package slot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// statusNote is all that a person should know.
func (v *View) statusNote() string {
	notes := []string{v.mainNote(), v.notRevokedNote(), foreignInstanceNote(v.ForeignInstance)}
	return strings.Join(slices.DeleteFunc(notes, func(s string) bool { return s == "" }), "; ")
}

// notRevokedNote says why older tokens are not revoked though they should be: that is no failure of a rotation.
func (v *View) notRevokedNote() string {
	if v.Seen.NotRevoked == "" || len(v.Record.Retiring)+len(v.Record.Orphans) == 0 {
		return ""
	}
	note := "an old token, or a lost mint's, is not revoked yet: " + v.Seen.NotRevoked
	if next := v.Seen.NextRetirement.Time(); next.After(v.Now) {
		note += "; tried again at " + next.UTC().Format(time.DateTime+"Z")
	}
	return note
}

// mainNote says what a person might wonder about.
func (v *View) mainNote() string {
	switch {
	case v.Plan.Strategy == moq.InPlace && v.waitsWithNewTarget():
		return "a new target waits for the next scheduled rotation: in_place cannot bring it the present token"
	case v.JournalDown:
		return "the journal cannot be written: nothing is minted until it can"
	case v.Seen.Unsavable:
		return "the journal refuses the slot's record, see the log: nothing is minted for it until it can be saved"
	case !v.graceAwaitedUntil().IsZero():
		return v.tokenLimitNote()
	case v.waitsForRoom():
		return v.fullRelayNote()
	case v.isSettling():
		return "waiting until relays know the new token: it is delivered at " +
			v.settlesUntil(v.TargetsLacking(v.Record.Rotation, true)).UTC().Format(time.DateTime+"Z")
	case len(v.leftOut()) > 0:
		return fmt.Sprintf("%s lacks the latest token, which the others have: they go on being given newer ones in time, "+
			"and no token that it may hold is revoked before it expires", sinksOf(v.leftOut()))
	case v.Seen.Reserving:
		return v.budgetNote()
	case v.Record.Rotation != nil && v.Record.Rotation.LivesShort():
		return fmt.Sprintf("Cloudflare gave the latest token less than half of the life that was asked: it ends at %s, and is renewed before",
			v.Record.Rotation.Token.Expires.Time().Format(time.DateTime+"Z"))
	case v.changesOperations():
		return "its operations have changed: the next rotation makes a token that has them"
	}
	return v.Record.orphansNote()
}

// changesOperations reports whether the next rotation makes a token with other rights than the last did.
func (v *View) changesOperations() bool {
	return v.Record.PendingOrLatest() != nil && !moq.SameOperations(v.Record.Operations(), v.Plan.Operations)
}

// leftOut are the required targets that could not be given the value which others have.
func (v *View) leftOut() []Target {
	rot := v.Record.Rotation
	if !v.Record.Unfinished() || rot.Strategy != moq.Overlap || v.Record.Failure == nil {
		return nil
	}
	lacking := v.TargetsLacking(rot, true)
	has := func(t Target) bool { return t.Required && v.Record.Receipts.At(t.Location).RotationID == rot.ID }
	if !slices.ContainsFunc(rot.Targets, has) {
		return nil
	}
	return lacking
}

func sinksOf(targets []Target) string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Sink
	}
	return strings.Join(names, ", ")
}
