package rotation

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// fakeRelay is Cloudflare's side of one relay: both generations.
type fakeRelay struct {
	w       *world
	tokens  []moq.Token              // generation 2, values included
	down    bool                     // every call is turned away, with a wait to be obeyed
	longest time.Duration            // the longest life of a token; zero: as long as is asked
	odd     bool                     // a token of an odd kind came
	claims  func(t moq.Token) string // the claims of the next values, in JSON; nil: values are no JWTs
	refused string                   // the value that claimed another id, and is not to be delivered
	short   string                   // the value of a short-lived token
	inPlace string                   // the one accepted value of generation 1
	next    int
	brings  *outcome // of the present mint
	late    []func() // lost calls that have not been carried out yet
	limit   int      // places, 0 for no limit
	revokes []string
	buried  map[string]time.Time     // values by when they were revoked
	fresh   time.Duration            // for how long relays refuse a new token, which they do not know yet
	made    map[string]time.Duration // values by when they were created, in true time
	creates int
	rotates int
	lists   int
	proofs  int

	before  []moq.Token          // what there was before the last change
	changed time.Duration        // when that was, in true time
	lagging time.Duration        // until when lists show what there was before
	ids     map[string]string    // ids of tokens by value
	missed  map[string]time.Time // ids by when a list of this process first lacked them

	answered time.Duration // when it last answered as Cloudflare does, in true time
	hidden   time.Duration // until when a portal answers in its place
	forwards bool          // the portal lets calls through, and still answers in its place
	lasting  time.Duration // how long one stands that comes up at a mint
	unknown  bool          // the value that is accepted has not come back

	tellBlock func(until time.Time) // nil: nobody watches
	obeyed    []time.Time           // the blocks that it was told to obey
	terms     int                   // how many terms began
}

const (
	foreignToken   = "ffffffffffffffffffffffffffffffff"
	neighbourToken = "fffffffffffffffffffffffffffffffe" // of another slot of ours
	namesakesToken = "fffffffffffffffffffffffffffffffd" // of another living installation that has our name
)

func newFakeRelay(w *world) *fakeRelay {
	return &fakeRelay{w: w, buried: map[string]time.Time{}, made: map[string]time.Duration{}, ids: map[string]string{}, changed: -oneYear, lagging: -oneYear, answered: -oneYear, lasting: glimpsedFor, tokens: []moq.Token{{
		ID: foreignToken, Operations: moq.Subscribe.Operations(), Created: w.now, Expires: w.now.Add(oneYear),
	}}}
}

func (f *fakeRelay) accepts(value string) bool {
	if value == f.inPlace && value != "" {
		return true
	}
	return slices.ContainsFunc(f.tokens, func(t moq.Token) bool {
		return t.Value.Reveal() == value && value != "" && f.w.theirs().Before(t.Expires)
	})
}

// knows reports whether relays know a token by now, if it is one.
func (f *fakeRelay) knows(value string) bool {
	at, created := f.made[value]
	return !created || f.w.truth()-at >= f.fresh
}

func (f *fakeRelay) own() (out []moq.Token) {
	for _, t := range f.tokens {
		if owner, _ := moq.LabelInstance(t.Label); slices.Contains(f.w.names, owner) && t.ID != neighbourToken && t.ID != namesakesToken {
			out = append(out, t)
		}
	}
	return out
}

func (f *fakeRelay) byID(id string) (moq.Token, bool) {
	i := slices.IndexFunc(f.tokens, func(t moq.Token) bool { return t.ID == id })
	if i < 0 {
		return moq.Token{}, false
	}
	return f.tokens[i], true
}

// justRevoked allows for what nobody can see: a token that another hand revoked
// within the minute for which a listing is trusted.
func (f *fakeRelay) justRevoked(value string, now time.Time) bool {
	at, ok := f.buried[value]
	return ok && now.Sub(at) <= slot.NotGoneFor
}

// Time is not known.
func (f *fakeRelay) Time() moq.CloudflareTime { return f.w.tellTime() }

// noteMissed notes which tokens a list lacks.
func (f *fakeRelay) noteMissed(listed []moq.Token) {
	for _, id := range f.ids {
		_, before := f.missed[id]
		switch has := slices.ContainsFunc(listed, func(t moq.Token) bool { return t.ID == id }); {
		case has:
			delete(f.missed, id)
		case !before:
			f.missed[id] = f.w.theirs()
		}
	}
}

// mayBeThere allows for what lists leave open: that a token lives that they began to lack not long ago.
func (f *fakeRelay) mayBeThere(value string, now time.Time) bool {
	at, missed := f.missed[f.ids[value]]
	return missed && now.Sub(at) <= slot.NotGoneFor+10*time.Second
}

func (f *fakeRelay) Warm(context.Context) {}

func (f *fakeRelay) OpensAt() time.Time { return time.Time{} }

func (f *fakeRelay) WatchBlock(tell func(time.Time)) func() {
	f.tellBlock = tell
	return func() { f.tellBlock = nil }
}

func (f *fakeRelay) Block(until time.Time) { f.obeyed = append(f.obeyed, until) }

func (f *fakeRelay) BeginTerm() { f.terms++ }

func (f *fakeRelay) Reserve(_ moq.Priority, granted func()) func() {
	granted()
	return func() {}
}

// listsLagFor is how long after a create or a revoke lists may show what there was before.
const listsLagFor = 40 * time.Second

func (f *fakeRelay) mayLag() bool { return f.w.truth()-f.changed < listsLagFor }

// change changes what is accepted.
func (f *fakeRelay) change(tokens []moq.Token) {
	f.before, f.changed, f.tokens = slices.Clone(f.tokens), f.w.truth(), tokens
}

// listed are the tokens that a list shows now.
func (f *fakeRelay) listed() []moq.Token {
	if f.w.truth() < f.lagging {
		return f.before
	}
	return f.tokens
}

// How long a portal stands. One that comes up at a mint stands while a few calls are made:
// each of them is a choice of the exploration.
const (
	portalFor   = 10 * time.Minute
	glimpsedFor = 5 * time.Second
)

func (f *fakeRelay) hide(forwards bool, lasting time.Duration) {
	f.hidden, f.forwards = f.w.truth()+lasting, forwards
}

// portal is what a portal answers in Cloudflare's place, if there is one.
func (f *fakeRelay) portal(kind string, class fault.Class) error {
	if f.w.sane || f.w.truth() >= f.hidden {
		return nil
	}
	return fault.Newf(class, fault.BadAnswer, kind, "", "403 Forbidden")
}

// Prove asks for the relay when the account has not answered for a while.
func (f *fakeRelay) Prove(context.Context, moq.Priority, string) error {
	if f.w.truth()-f.answered < time.Minute {
		return nil
	}
	f.proofs++
	return f.w.call(proveCall, "", func(o *outcome) error {
		if o.portal {
			f.hide(false, portalFor)
		}
		if err := f.portal("get relay", fault.Retry); err != nil {
			return err
		}
		if o.answered {
			f.answer()
		}
		return o.error("get relay")
	})
}

// answer notes that it answers as Cloudflare does, which tells the time.
func (f *fakeRelay) answer() {
	f.answered = f.w.truth()
	f.w.told.note(f.answered)
}

func (f *fakeRelay) mint(kind callKind, commit func()) error {
	return f.w.call(kind, "", func(o *outcome) error {
		f.brings = o
		if f.down {
			return greedy(fault.Newf(fault.Retry, fault.ServerError, kind.String(), "", "down"))
		}
		if o.portal {
			f.hide(o.done, f.lasting)
		}
		if err := f.portal(kind.String(), fault.Ambiguous); err != nil {
			if f.forwards {
				commit()
			}
			return err
		}
		if o.done {
			commit()
		}
		if o.twice {
			commit()
		}
		if o.late {
			f.commitLater(func() { f.brings = o; commit() })
		}
		if o.answered {
			f.answer()
		}
		return o.error(kind.String())
	})
}

// commitLater carries a call out when half a minute has passed.
func (f *fakeRelay) commitLater(commit func()) {
	due := f.w.truth() + 30*time.Second
	f.late = append(f.late, func() {
		if f.w.truth() >= due {
			commit()
			commit = func() {}
		}
	})
}

// greedy asks to be left alone for as long as a header can say.
func greedy(e *fault.Error) *fault.Error {
	e.After = math.MaxInt32 * time.Second
	return e
}

func (f *fakeRelay) commitLate() {
	for _, c := range f.late {
		c()
	}
}

func (f *fakeRelay) Create(ctx context.Context, _ moq.Priority, _ string, t moq.NewToken) (moq.Token, error) {
	if err := letOut(ctx); err != nil {
		return moq.Token{}, err
	}
	f.creates++
	f.w.onMint(t.Label)
	f.next++
	tok := moq.Token{
		ID: fmt.Sprintf("%032x", f.next), Operations: t.Operations, Created: f.w.theirs(),
		Expires: t.Expires, Label: t.Label, Value: secret.New(fmt.Sprintf("value-%d", f.next)),
	}
	if tok.Expires.After(f.w.theirs().Add(oneYear)) { // refused, and asked for again by Cloudflare's clock
		tok.Expires = tok.Expires.Add(f.w.theirs().Sub(f.w.now))
	}
	if tok.Expires.IsZero() {
		tok.Expires = f.w.theirs().Add(oneYear)
	}
	if f.limit > 0 && len(f.tokens) >= f.limit {
		return moq.Token{}, fault.Newf(fault.Permanent, fault.Full, "create token", "", "409: 21009 token limit reached")
	}
	err := f.mint(createCall, func() {
		f.spoil(&tok)
		f.commit(&tok)
	})
	if err != nil {
		return moq.Token{}, err
	}
	return tok, nil
}

// spoil makes a new token as odd as its call's outcome says.
func (f *fakeRelay) spoil(t *moq.Token) {
	if f.claims != nil {
		t.Value = signed(f.claims(*t), t.Value.Reveal())
	}
	if end := f.w.theirs().Add(f.longest); f.longest > 0 && t.Expires.After(end) {
		t.Expires = end
	}
	f.odd = f.odd || f.brings.isOdd()
	switch {
	case f.brings.short:
		t.Expires, f.short = f.w.theirs().Add(time.Hour), t.Value.Reveal()
	case f.brings.otherID:
		t.Value = signed(`{"jti":"`+foreignToken+`"}`, t.Value.Reveal())
		f.refused = t.Value.Reveal()
	}
}

// signed is a value with claims, signed with a text.
func signed(claims, signature string) secret.Value {
	part := base64.RawURLEncoding.EncodeToString
	return secret.New(part([]byte("{}")) + "." + part([]byte(claims)) + "." + part([]byte(signature)))
}

// commit adds a token to what is accepted; one that is there already, under another id: its call was sent again.
func (f *fakeRelay) commit(tok *moq.Token) {
	made := *tok
	if _, twice := f.byID(tok.ID); twice {
		f.next++
		made.ID, made.Value = fmt.Sprintf("%032x", f.next), secret.New(fmt.Sprintf("value-%d", f.next))
	}
	f.ids[made.Value.Reveal()], f.made[made.Value.Reveal()] = made.ID, f.w.truth()
	f.change(append(slices.Clip(f.tokens), made))
}

func (f *fakeRelay) Rotate(ctx context.Context, _ moq.Priority, _ string, _ moq.TokenType) (secret.Value, error) {
	if err := letOut(ctx); err != nil {
		return secret.Value{}, err
	}
	f.rotates++
	f.w.onMint("")
	f.next++
	v := fmt.Sprintf("value-%d", f.next)
	if f.claims != nil {
		v = signed(f.claims(moq.Token{}), v).Reveal()
	}
	f.w.onRotate()
	if err := f.mint(rotateCall, func() { f.inPlace, f.unknown = v, true }); err != nil {
		return secret.Value{}, err
	}
	f.unknown = f.w.isStale() // then nobody is given the value
	return secret.New(v), nil
}

func (f *fakeRelay) List(context.Context, moq.Priority, string) (out moq.TokenList, err error) {
	f.lists++
	f.commitLate()
	err = f.w.call(listCall, "", func(o *outcome) error {
		if o.fails() || f.down {
			return fault.Newf(fault.Retry, fault.ServerError, "list", "", "refused")
		}
		if err := f.portal("list", fault.Retry); err != nil {
			return err
		}
		f.answer()
		if o.lags {
			f.w.lags--
			f.lagging = f.changed + listsLagFor
		}
		out.Complete = true
		for _, t := range f.listed() {
			t.Value = secret.Value{}
			out.Tokens = append(out.Tokens, t)
		}
		f.noteMissed(out.Tokens)
		return nil
	})
	return out, err
}

func (f *fakeRelay) Revoke(ctx context.Context, _ moq.Priority, _, id string) error {
	if err := letOut(ctx); err != nil {
		return err
	}
	return f.w.call(revokeCall, "", func(o *outcome) error {
		if ctx.Err() != nil {
			return ctx.Err() // it waited for its turn
		}
		if f.down {
			return greedy(fault.Newf(fault.Retry, fault.ServerError, "revoke", "", "down"))
		}
		hidden := f.portal("revoke", fault.Retry)
		if o.done && (hidden == nil || f.forwards) {
			f.w.onRevoke(id)
			f.revokes = append(f.revokes, id)
			if t, ok := f.byID(id); ok {
				f.buried[t.Value.Reveal()] = f.w.theirs()
			}
			f.change(slices.DeleteFunc(slices.Clone(f.tokens), func(t moq.Token) bool { return t.ID == id }))
		}
		if hidden != nil {
			return hidden
		}
		if o.answered {
			f.answer()
		}
		return o.error("revoke")
	})
}
