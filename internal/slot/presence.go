package slot

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Presence is what lists say of a token, or of the label of a lost mint. Lists lag: for some seconds after a
// create or a revoke they may show what there was before.
type Presence uint8

// What lists can say.
const (
	Unknown Presence = iota // nothing is to be done because of it, and nothing left undone
	Present
	Absent // for sure
)

const (
	lagging    = time.Minute      // a token that is younger may be missing because lists lag
	listsApart = 10 * time.Second // between two lists that are to agree
)

// Absence is since when lists have lacked a token or a label, by elapsed time. Lists that do not show all
// there is say nothing.
type Absence struct {
	Name   string // a token's id, or a label
	Since  time.Duration
	Beside time.Duration // since the first list that showed another of the slot's tokens; zero: none did
}

// presence says what lists say of a token or label that came so long ago, or cannot have come since.
func (v *View) presence(name string, age time.Duration) Presence {
	l := v.Seen.Listing
	switch {
	case l == nil:
		return Unknown
	case l.Has(name) || l.hasLabel(name):
		return Present
	case v.lackedLongEnough(name) && age-(v.Clock.Elapsed-l.Elapsed) > lagging:
		return Absent
	}
	return Unknown
}

// lackedLongEnough reports whether the latest list and one before it, far enough away, agree that a token or
// label is missing. Lists that lack all tokens of the slot are believed after a minute.
func (v *View) lackedLongEnough(name string) bool {
	i := v.absenceOf(name)
	if i < 0 {
		return false
	}
	a, latest := v.Seen.Absences[i], v.Seen.Listing.Elapsed
	return latest-a.Since >= lagging || a.Beside > 0 && v.showsOwn() && latest-a.Beside >= listsApart
}

func (v *View) absenceOf(name string) int {
	return slices.IndexFunc(v.Seen.Absences, func(a Absence) bool { return a.Name == name })
}

// noteAbsences keeps since when what is looked for has been missing.
func (v *View) noteAbsences() {
	l, before := v.Seen.Listing, v.Seen.Absences
	if !l.Complete {
		v.Seen.Absences = slices.DeleteFunc(before, func(a Absence) bool { return l.Has(a.Name) || l.hasLabel(a.Name) })
		return
	}
	var now []Absence
	for _, name := range v.lookedFor() {
		if l.Has(name) || l.hasLabel(name) {
			continue
		}
		a := Absence{Name: name, Since: l.Elapsed}
		if i := v.absenceOf(name); i >= 0 {
			a = before[i]
		}
		if a.Beside == 0 && v.showsOwn() {
			a.Beside = l.Elapsed
		}
		now = append(now, a)
	}
	v.Seen.Absences = now
}

// lookedFor are the ids of the slot's tokens and the labels of its lost mints.
func (v *View) lookedFor() []string {
	names := v.unexpiredIDs()
	for _, l := range v.Record.Orphans {
		names = append(names, l.Label)
	}
	return names
}

// unexpiredIDs are the ids of the slot's tokens that have not expired.
func (v *View) unexpiredIDs() (ids []string) {
	add := func(t *Token) {
		if t != nil && t.ID != "" && !v.expired(t) && !slices.Contains(ids, t.ID) {
			ids = append(ids, t.ID)
		}
	}
	add(v.Record.Current)
	if v.Record.Rotation != nil {
		add(v.Record.Rotation.Token)
	}
	for i := range v.Record.Retiring {
		add(&v.Record.Retiring[i])
	}
	return ids
}

// showsOwn reports whether the latest list shows one of the slot's tokens.
func (v *View) showsOwn() bool {
	return slices.ContainsFunc(v.unexpiredIDs(), v.Seen.Listing.Has)
}

// presenceOfLatest says what lists say of the token of the latest rotation.
func (v *View) presenceOfLatest() Presence {
	rot := v.Record.Rotation
	age, _ := v.passedSince(rot.MintedClock)
	return v.presence(rot.Token.ID, age)
}

// isUnlisted reports whether the latest list shows all there is but the token of the latest rotation, which does not
// make it gone yet.
func (v *View) isUnlisted() bool {
	l, rot := v.Seen.Listing, v.Record.Rotation
	return rot.Strategy == moq.Overlap && l != nil && l.Complete && v.absenceOf(rot.Token.ID) >= 0 && v.presenceOfLatest() == Unknown
}

// mayHaveBeenRevoked reports whether the token of the latest rotation may be listed only because lists lag. Who knows of
// no revocation may have a journal that was restored: what was revoked before this process began, lists show for a
// minute from then on.
func (v *View) mayHaveBeenRevoked() bool {
	l, rot := v.Seen.Listing, v.Record.Rotation
	if rot.Strategy != moq.Overlap || v.Seen.Minted == rot.ID {
		return false
	}
	return l == nil || l.Complete && l.Elapsed-v.Start.Elapsed < lagging
}
