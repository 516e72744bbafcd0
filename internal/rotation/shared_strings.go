package rotation

import (
	"bytes"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// The words of a record that the journal read are parts of its text, which would
// stay in memory with them. Copies that records share are a third of the memory of a
// slot at rest.

// stringSharer shares the strings of many records: those that they have in common, once, and
// the others side by side in blocks, which leaves no holes in memory.
type stringSharer struct {
	common map[string]string
	block  *strings.Builder
	last   string // kept: a record names its latest rotation several times
}

const blockSize = 64 << 10

func newStringSharer() *stringSharer {
	return &stringSharer{common: map[string]string{}, block: new(strings.Builder)}
}

func shareCommon[S ~string](w *stringSharer, s *S) {
	known, ok := w.common[string(*s)]
	if !ok {
		known = strings.Clone(string(*s))
		w.common[known] = known
	}
	*s = S(known)
}

func (w *stringSharer) copyOnce(s *string) {
	switch *s {
	case "":
		*s = "" // not a part of the text either
		return
	case w.last:
		*s = w.last
		return
	}
	if w.block.Cap()-w.block.Len() < len(*s) {
		w.block = new(strings.Builder)
		w.block.Grow(blockSize)
	}
	start := w.block.Len()
	w.block.WriteString(*s)
	*s = w.block.String()[start:]
	w.last = *s
}

// shareRecord makes a record that nobody else has use the words of its plan, if it has
// one, those seen before, and copies of the others.
func (w *stringSharer) shareRecord(r *slot.Record, p *slot.Plan) {
	if p == nil {
		p = &slot.Plan{Key: w.shareKey(r.Key)}
	}
	r.Key = p.Key
	sharePlanWords(r, p)
	if f := r.InForce; f != nil {
		shareCommon(w, &f.Text)
		shareCommon(w, &f.Zone)
	}
	w.shareTokens(r.Retiring)
	for _, rot := range []*slot.Rotation{r.PendingMint, r.Rotation} {
		if rot != nil {
			w.shareRotation(rot, p)
		}
	}
	for i := range r.Receipts { // right after the rotation whose id they name
		rc := &r.Receipts[i]
		w.shareTarget(&rc.Target, p)
		w.copyOnce(&rc.MayHold)
		for j := range rc.MayAlsoHold {
			w.copyOnce(&rc.MayAlsoHold[j])
		}
		w.copyOnce(&rc.RotationID)
	}
	w.shareToken(r.Current)
	w.shareTrouble(r)
}

func (w *stringSharer) shareKey(k moq.Key) moq.Key {
	shareCommon(w, &k.AccountID)
	w.copyOnce(&k.RelayID)
	shareCommon(w, &k.Type)
	return k
}

func (w *stringSharer) shareRotation(rot *slot.Rotation, p *slot.Plan) {
	w.shareToken(rot.Token)
	w.shareTokens(rot.Existing)
	w.shareFound(rot.Found)
	w.copyOnce(&rot.ID)
	shareCommon(w, &rot.MintedClock.Boot)
	shareCommon(w, &rot.Clock.Boot)
	shareCommon(w, &rot.LostClock.Boot)
	shareCommon(w, &rot.Phase)
	shareCommon(w, &rot.Strategy)
	shareCommon(w, &rot.Cause)
	shareCommon(w, &rot.By)
	if rot.Names.Relay != p.Relay {
		w.copyOnce(&rot.Names.Relay)
	}
	shareCommon(w, &rot.Names.Account)
	shareCommon(w, &rot.Names.Instance)
	if !slices.Equal(rot.Operations, p.Operations) {
		for i := range rot.Operations {
			shareCommon(w, &rot.Operations[i])
		}
	}
	if !slices.Equal(rot.Targets, p.Targets) {
		for i := range rot.Targets {
			w.shareTarget(&rot.Targets[i], p)
		}
	}
}

func (w *stringSharer) shareFound(list []slot.Found) {
	for i := range list {
		w.copyOnce(&list[i].Location)
	}
}

func (w *stringSharer) shareTarget(t *slot.Target, p *slot.Plan) {
	if at := slices.Index(p.Targets, *t); at >= 0 {
		*t = p.Targets[at]
		return
	}
	shareCommon(w, &t.Sink)
	w.copyOnce(&t.Target)
	w.copyOnce(&t.Location)
}

func (w *stringSharer) shareTokens(list []slot.Token) {
	for i := range list {
		w.shareToken(&list[i])
	}
}

func (w *stringSharer) shareToken(t *slot.Token) {
	if t == nil {
		return
	}
	w.copyOnce(&t.RotationID)
	w.copyOnce(&t.ID)
	shareCommon(w, &t.Clock.Boot)
	w.copyOnce(&t.ClaimedID)
}

// shareTrouble shares the words of what few slots have.
func (w *stringSharer) shareTrouble(r *slot.Record) {
	for i := range r.Orphans {
		w.copyOnce(&r.Orphans[i].RotationID)
		w.copyOnce(&r.Orphans[i].Label)
		w.copyOnce(&r.Orphans[i].TokenID)
		shareCommon(w, &r.Orphans[i].Clock.Boot)
		shareCommon(w, &r.Orphans[i].TurnedUpClock.Boot)
		w.shareFound(r.Orphans[i].Before)
	}
	w.shareExceptions(r.Exceptions)
	if r.Request != nil {
		shareCommon(w, &r.Request.By)
		w.copyOnce(&r.Request.After)
	}
	if f := r.Failure; f != nil {
		shareCommon(w, &f.Stage)
		shareCommon(w, &f.Reason)
		shareCommon(w, &f.Sink)
		shareCommon(w, &f.Message)
		for i := range f.Locations {
			w.copyOnce(&f.Locations[i])
		}
	}
}

// detachRotations puts copies in the place of a record's rotations: the former may be on their way to the journal.
func detachRotations(r *slot.Record) {
	for _, rot := range []**slot.Rotation{&r.PendingMint, &r.Rotation} {
		if *rot != nil {
			own := **rot
			*rot = &own
		}
	}
}

// sharePlanWords has a record that nobody else has use the plan's words, and its own,
// where they are equal.
func sharePlanWords(r *slot.Record, p *slot.Plan) {
	for i := range r.Receipts {
		sharePlanOfReceipt(&r.Receipts[i], r, p)
	}
	for _, rot := range []*slot.Rotation{r.PendingMint, r.Rotation} {
		if rot != nil {
			sharePlanOfRotation(rot, p)
		}
	}
	if rot := r.Rotation; rot != nil && rot.Token != nil && r.Current != nil && r.Current.RotationID == rot.Token.RotationID {
		rot.Token = r.Current
	}
}

func sharePlanOfRotation(rot *slot.Rotation, p *slot.Plan) {
	if slices.Equal(rot.Targets, p.Targets) {
		rot.Targets = p.Targets
	}
	if rot.Names.Relay == p.Relay {
		rot.Names.Relay = p.Relay
	}
	if slices.Equal(rot.Operations, p.Operations) {
		rot.Operations = p.Operations
	}
}

func sharePlanOfReceipt(rc *slot.Receipt, r *slot.Record, p *slot.Plan) {
	if at := slices.Index(p.Targets, rc.Target); at >= 0 {
		rc.Target = p.Targets[at]
	}
	if r.Current == nil {
		return
	}
	for _, held := range r.Current.ServedDigests {
		if bytes.Equal(held, rc.Digest) {
			rc.Digest = held
		}
	}
}

func (w *stringSharer) shareExceptions(x *slot.Exceptions) {
	if x == nil {
		return
	}
	shareCommon(w, &x.FirstSeenClock.Boot)
	for i := range x.ForgottenIDs {
		w.copyOnce(&x.ForgottenIDs[i])
	}
	w.copyOnce(&x.ForgottenThrough) // the last of them, as a rule
}
