package rotation

import (
	"slices"
	"strings"
)

// A record that was read from the journal has each of its words for itself.
// Sharing them is a third of the memory of a slot at rest.

// words are the strings of many records: those that they have in common, once, and
// the others side by side in blocks, which leaves no holes in memory.
type words struct {
	common map[string]string
	block  *strings.Builder
	last   string // kept: a record names its latest rotation several times
}

const blockSize = 64 << 10

func newWords() *words { return &words{common: map[string]string{}, block: new(strings.Builder)} }

func share[S ~string](w *words, s *S) {
	known, ok := w.common[string(*s)]
	if !ok {
		known = strings.Clone(string(*s))
		w.common[known] = known
	}
	*s = S(known)
}

func (w *words) keep(s *string) {
	if *s == w.last {
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

// share makes a record that nobody else has use the words of its plan, if it has
// one, and those seen before.
func (w *words) share(r *Record, p *Plan) {
	if p != nil {
		r.Key = p.Key
		r.share(p)
	}
	share(w, &r.Key.AccountID)
	share(w, &r.Key.Type)
	r.Receipts = slices.Clone(r.Receipts) // without the room for three more
	if rot := r.Rotation; rot != nil {
		w.keep(&rot.ID)
		share(w, &rot.Phase)
		share(w, &rot.Strategy)
		share(w, &rot.Cause)
		share(w, &rot.Names.Account)
		share(w, &rot.Names.Instance)
	}
	for i := range r.Receipts {
		w.keep(&r.Receipts[i].RotationID)
	}
	if r.Served != nil {
		w.shareToken(r.Served)
	}
	for i := range r.Old {
		w.shareToken(&r.Old[i])
	}
}

func (w *words) shareToken(t *Token) {
	w.keep(&t.RotationID)
	w.keep(&t.ID)
	share(w, &t.Clock.Boot)
}

// detach gives a record a rotation of its own: the former may be on its way to the journal.
func (r *Record) detach() {
	if r.Rotation != nil {
		rot := *r.Rotation
		r.Rotation = &rot
	}
}

// share makes a record that nobody else has use the plan's words, and its own,
// where they are equal.
func (r *Record) share(p *Plan) {
	rot := r.Rotation
	if rot == nil {
		return
	}
	if slices.Equal(rot.Targets, p.Targets) {
		rot.Targets = p.Targets
	}
	if rot.Names.Relay == p.Relay {
		rot.Names.Relay = p.Relay
	}
	if r.Served != nil && rot.Token != nil && r.Served.RotationID == rot.Token.RotationID {
		rot.Token = r.Served
	}
	for i, rc := range r.Receipts {
		if at := slices.Index(p.Targets, rc.Target); at >= 0 {
			r.Receipts[i].Target = p.Targets[at]
		}
	}
}
