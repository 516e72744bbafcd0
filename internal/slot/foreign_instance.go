package slot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// bornAfter is how long after this process opened its journal a token must have been created that no slot of
// ours can have minted.
const bornAfter = time.Minute

// OfForeignInstance reports whether a listed token is of another living installation that has our name: it bears our
// label, was created well after this process opened its journal, by Cloudflare's time, and no mint of ours bears its
// rotation id. ours is asked after the list was made.
func (v *View) OfForeignInstance(t moq.Token, instance string, ours func(rotationID string) bool) bool {
	name, id, labelled := moq.CutLabel(t.Label)
	if !labelled || name != instance || v.running() <= bornAfter || v.agesAreUnknown() {
		return false
	}
	age := v.tokenTime().Sub(t.Created)
	return v.running()-age > bornAfter && !ours(id)
}

// agesAreUnknown reports whether nothing tells which tokens were created since this process began: our clock may be
// wrong, and Cloudflare's time may still become known. Of a process that has just begun none was.
func (c *Times) agesAreUnknown() bool {
	return c.running() > bornAfter && !c.knowsCloudflare() && !c.ourClockHasToDo()
}

// HasUsed reports whether a mint of the slot bears a rotation id, or is known to have borne it: of those that were
// lost and forgotten the last ids are kept.
func (r *Record) HasUsed(id string) bool {
	of := func(t *Token) bool { return t != nil && t.RotationID == id }
	return r.hasForgotten(id) || r.PendingMint != nil && r.PendingMint.ID == id ||
		r.Rotation != nil && r.Rotation.ID == id || of(r.Current) ||
		slices.ContainsFunc(r.Retiring, func(t Token) bool { return of(&t) }) ||
		slices.ContainsFunc(r.Orphans, func(l Orphan) bool { return l.RotationID == id })
}

// foreignInstanceNote is what a person should know of tokens of another living installation.
func foreignInstanceNote(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf("another rotatord runs under the name of this one, and mints tokens of this relay (%s): "+
		"stop one, or give each an `instance` of its own", strings.Join(ids, ", "))
}
