package rotation

import (
	"context"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/moq"
)

// revoke revokes an old token. Revoking is idempotent: after a crash it is done again.
func (e *Engine) revoke(s *slot, st step) {
	if err := e.revokeID(s, st.token.ID); err != nil {
		e.failed(s, StepRetire, err)
		return
	}
	s.mu.Lock()
	ev := e.event(s, Revoked)
	s.mu.Unlock()
	ev.about(st.token)
	if st.expired {
		ev.Detail = "it had expired"
	}
	e.amend(s, func(r *Record) { r.revoked(st.token.ID) }, ev)
	e.log(s).Info("old token revoked", zap.String("token_id", st.token.ID), zap.String("rotation", st.token.RotationID),
		zap.Bool("expired", st.expired))
}

// about makes an event one of an older token instead of the latest rotation.
func (ev *Event) about(t Token) {
	ev.TokenID, ev.RotationID, ev.Cause, ev.By = t.ID, t.RotationID, "", ""
}

// sweep revokes the token of a lost mint.
func (e *Engine) sweep(s *slot, st step) {
	if err := e.revokeID(s, st.token.ID); err != nil {
		e.failed(s, StepRetire, err)
		return
	}
	s.mu.Lock()
	ev := e.event(s, Swept)
	s.mu.Unlock()
	ev.about(st.token)
	e.amend(s, func(r *Record) { r.found(st.lost.Label) }, ev)
	e.log(s).Info("token of a lost mint found and revoked", zap.String("token_id", st.token.ID),
		zap.String("rotation", st.lost.RotationID))
}

// adopt keeps a lost mint's token among the old ones until a newer one is verified.
func (e *Engine) adopt(s *slot, st step) {
	tok := moq.Token{ID: st.token.ID, Created: st.token.Created.Time(), Expires: st.token.Expires.Time()}
	e.amend(s, func(r *Record) { r.adopt(st.lost, tok) })
	e.log(s).Warn("token of a lost mint found; a target may serve it, so it is kept until a newer one is verified",
		zap.String("token_id", st.token.ID), zap.String("rotation", st.lost.RotationID))
}

// beginGrace records that an adopted token, which no target is seen to serve any
// more, lives on for a grace.
func (e *Engine) beginGrace(s *slot, st step) {
	e.amend(s, func(r *Record) { r.beginGrace(st.token) })
	e.log(s).Info("no target serves the token of a lost mint any more: its grace begins", zap.String("token_id", st.token.ID),
		zap.String("rotation", st.token.RotationID), zap.Time("retire", st.token.Retire.Time()))
}

func (e *Engine) revokeID(s *slot, id string) error {
	cf, err := e.account(s)
	if err != nil {
		return err
	}
	err = e.inTurn(s, func(ctx context.Context, p moq.Priority) error {
		p.Revoke = true
		return cf.Revoke(ctx, p, s.rec.Key.RelayID, id)
	})
	if err == nil {
		s.mu.Lock()
		s.seen().retires = 0
		s.mu.Unlock()
	}
	return err
}
