package rotation

import (
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// acceptMinted reads what a fresh value claims, and returns why it is not to be delivered. After an error that is
// Ambiguous the mint is still pending, for failMint to lose; after any other the record has refused it. An in_place
// value is delivered whatever it claims: the one before is dead.
func (w *worker) acceptMinted(a *slot.Rotation, t moq.Token) error {
	if a.Strategy == moq.InPlace {
		return nil
	}
	claims, _ := moq.ClaimsOf(t.Value)
	if w.contradictsAnswer(a, t, claims.Contradicted(t, w.record.Key.RelayID)) {
		return fault.Newf(fault.Ambiguous, fault.Mismatch, "create token", "token "+t.ID,
			"the new value claims to be another token (jti) than the answer says").
			WithHint("the token is revoked, and another minted; should that claim another id, too, it is delivered")
	}
	return w.refuseUnfit(*a, t)
}

// contradictsAnswer tells people of claims that contradict a mint's answer, and reports whether the mint is ambiguous for it.
// Nothing of a value is told but which claims.
func (w *worker) contradictsAnswer(a *slot.Rotation, t moq.Token, claims []string) (ambiguous bool) {
	w.locked(func() { ambiguous = w.record.ReadClaims(a, claims) })
	if len(claims) == 0 {
		return false
	}
	w.engine.Observer.ClaimsContradicted(a.Names.Account)
	w.log().Warn("the new value's claims contradict the answer that it came in", zap.String("token_id", t.ID),
		zap.String("rotation", a.ID), zap.Strings("claims", claims), zap.Bool("delivered", !ambiguous))
	return ambiguous
}

// refuseUnfit refuses a token that is of no use, and has it revoked.
func (w *worker) refuseUnfit(a slot.Rotation, t moq.Token) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view()
	tok := mintedToken(a, t, v.Now)
	if err := v.CheckMinted(&a, &tok); err != nil {
		w.record.RefuseMint(&tok, v.Now)
		return err
	}
	a.Token = &tok
	if a.LivesShort() {
		w.logLocked().Warn("Cloudflare gave the new token a shorter life than was asked: it is renewed in time for that",
			zap.String("token_id", t.ID), zap.Duration("life", tok.Life()), zap.Duration("asked", a.AskedLife().Round(time.Second)))
	}
	return nil
}

// claimedBy returns an in_place token with the id and the expiry that its value claims, if they can be read. An end that is
// to be renewed at once would lock consumers out again and again: it is not believed.
func claimedBy(tok slot.Token, t moq.Token, now time.Time) slot.Token {
	claims, _ := moq.ClaimsOf(t.Value)
	tok.ClaimedID, tok.Expires = claims.TokenID(), slot.TimestampOf(claims.Expires)
	if !tok.BeforeRenewal(now.Add(leastInPlaceLife)) {
		tok.Expires = 0
	}
	return tok
}

// leastInPlaceLife is how far away the renewal of an in_place token must be to be believed.
const leastInPlaceLife = time.Minute

// mintedToken is what the record keeps of a token that was minted just now.
func mintedToken(a slot.Rotation, t moq.Token, now time.Time) slot.Token {
	tok := slot.Token{
		ID: t.ID, RotationID: a.ID, Created: slot.TimestampOf(t.Created), Expires: slot.TimestampOf(t.Expires),
		ValueSize: len(t.Value.Reveal()),
	}
	if tok.Created.IsZero() {
		tok.Created = slot.TimestampOf(now.Truncate(time.Second))
	}
	if a.Strategy == moq.InPlace {
		return claimedBy(tok, t, now)
	}
	if tok.Expires.IsZero() {
		tok.Expires = a.Expires
	}
	return tok
}
