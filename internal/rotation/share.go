package rotation

import (
	"bytes"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/moq"
)

// The words of a record that the journal read are parts of its text, which would
// stay in memory with them. Copies that records share are a third of the memory of a
// slot at rest.

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

// share makes a record that nobody else has use the words of its plan, if it has
// one, those seen before, and copies of the others.
func (w *words) share(r *Record, p *Plan) {
	if p == nil {
		p = &Plan{Key: w.key(r.Key)}
	}
	r.Key = p.Key
	r.share(p)
	w.tokens(r.Old)
	for _, rot := range []*Rotation{r.Attempt, r.Rotation} {
		if rot != nil {
			w.rotation(rot, p)
		}
	}
	for i := range r.Receipts { // right after the rotation whose id they name
		rc := &r.Receipts[i]
		w.target(&rc.Target, p)
		w.keep(&rc.Maybe)
		w.keep(&rc.RotationID)
	}
	w.token(r.Served)
	w.trouble(r)
}

func (w *words) key(k moq.Key) moq.Key {
	share(w, &k.AccountID)
	w.keep(&k.RelayID)
	share(w, &k.Type)
	return k
}

func (w *words) rotation(rot *Rotation, p *Plan) {
	w.token(rot.Token)
	w.tokens(rot.Existing)
	w.keep(&rot.ID)
	share(w, &rot.Phase)
	share(w, &rot.Strategy)
	share(w, &rot.Cause)
	share(w, &rot.By)
	if rot.Names.Relay != p.Relay {
		w.keep(&rot.Names.Relay)
	}
	share(w, &rot.Names.Account)
	share(w, &rot.Names.Instance)
	if !slices.Equal(rot.Targets, p.Targets) {
		for i := range rot.Targets {
			w.target(&rot.Targets[i], p)
		}
	}
}

func (w *words) target(t *Target, p *Plan) {
	if at := slices.Index(p.Targets, *t); at >= 0 {
		*t = p.Targets[at]
		return
	}
	share(w, &t.Sink)
	w.keep(&t.Target)
	w.keep(&t.Location)
}

func (w *words) tokens(list []Token) {
	for i := range list {
		w.token(&list[i])
	}
}

func (w *words) token(t *Token) {
	if t == nil {
		return
	}
	w.keep(&t.RotationID)
	w.keep(&t.ID)
	share(w, &t.Clock.Boot)
}

// trouble shares the words of what few slots have.
func (w *words) trouble(r *Record) {
	for i := range r.Lost {
		w.keep(&r.Lost[i].RotationID)
		w.keep(&r.Lost[i].Label)
	}
	if r.Request != nil {
		share(w, &r.Request.By)
	}
	if f := r.Failure; f != nil {
		share(w, &f.Step)
		share(w, &f.Reason)
		share(w, &f.Sink)
		share(w, &f.Message)
	}
}

// detach gives a record rotations of its own: the former may be on their way to the journal.
func (r *Record) detach() {
	for _, rot := range []**Rotation{&r.Attempt, &r.Rotation} {
		if *rot != nil {
			own := **rot
			*rot = &own
		}
	}
}

// share makes a record that nobody else has use the plan's words, and its own,
// where they are equal.
func (r *Record) share(p *Plan) {
	for i := range r.Receipts {
		r.Receipts[i].share(r, p)
	}
	for _, rot := range []*Rotation{r.Attempt, r.Rotation} {
		if rot != nil {
			rot.share(p)
		}
	}
	if rot := r.Rotation; rot != nil && rot.Token != nil && r.Served != nil && r.Served.RotationID == rot.Token.RotationID {
		rot.Token = r.Served
	}
}

func (rot *Rotation) share(p *Plan) {
	if slices.Equal(rot.Targets, p.Targets) {
		rot.Targets = p.Targets
	}
	if rot.Names.Relay == p.Relay {
		rot.Names.Relay = p.Relay
	}
}

func (rc *Receipt) share(r *Record, p *Plan) {
	if at := slices.Index(p.Targets, rc.Target); at >= 0 {
		rc.Target = p.Targets[at]
	}
	if r.Served == nil {
		return
	}
	for _, held := range r.Served.Held {
		if bytes.Equal(held, rc.Digest) {
			rc.Digest = held
		}
	}
}
