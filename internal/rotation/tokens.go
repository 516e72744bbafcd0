package rotation

import (
	"bytes"
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// Tokens lists what a relay holds.
func (a Administration) Tokens(ctx context.Context, relay string) ([]slot.RelayToken, error) {
	slots, err := a.engine.slotsOfRelay(relay)
	if err != nil {
		return nil, err
	}
	listed, err := slots[0].listRelay(ctx, moq.Priority{Urgency: moq.Routine})
	if err != nil {
		return nil, err
	}
	out := make([]slot.RelayToken, len(listed.Tokens))
	for i, t := range listed.Tokens {
		out[i] = a.describeToken(t, slots)
	}
	a.findServing(ctx, out, slots)
	return out, nil
}

// Prune revokes the former tokens of this installation that no configured target
// holds: all, or those with the given ids, which may then be of another living installation that
// has our name. It returns those that it keeps, too. With dryRun it only says which. For a minute after a take-over, in
// which a target may yet come to hold one of them, it revokes none.
func (a Administration) Prune(ctx context.Context, relay string, ids []string, dryRun bool) ([]slot.RelayToken, error) {
	slots, err := a.engine.slotsOfRelay(relay)
	if err == nil && !dryRun {
		err = slots[0].checkLateCalls(relay) // before targets are looked at
	}
	if err != nil {
		return nil, err
	}
	tokens, err := a.Tokens(ctx, relay)
	if err != nil {
		return nil, err
	}
	if tokens, err = chosenToPrune(tokens, ids); err != nil || dryRun {
		return tokens, err
	}
	for i := range tokens {
		if !tokens[i].Prunable {
			continue
		}
		if err := slots[0].revokeByID(tokens[i].TokenID); err != nil {
			return tokens, err
		}
		tokens[i].Revoked = true
		for _, w := range slots {
			w.forgetPruned(tokens[i].TokenID)
		}
		a.engine.Log.Info("former token pruned", zap.String("relay", relay), zap.String("token_id", tokens[i].TokenID))
	}
	return tokens, nil
}

// checkLateCalls returns an error while a call of a former leader may still be carried out.
func (w *worker) checkLateCalls(relay string) error {
	t := w.times()
	left := t.LateCalls()
	if left == 0 {
		return nil
	}
	f := fault.Newf(fault.Retry, fault.Conflict, "prune tokens", "relay "+relay,
		"this replica has led for less than a minute: a write of the leader before it may still bring one of them to a sink")
	f.After = left
	return f.WithHint("nothing was revoked; do it again in %s", left.Truncate(time.Second)+time.Second)
}

// forgetPruned forgets a token that was revoked by hand, if the slot that left the configuration had it.
func (w *worker) forgetPruned(id string) {
	if w.read().Owns(moq.Token{ID: id}) {
		w.updateRecord(func(r *slot.Record) { r.ForgetToken(id) })
	}
}

// chosenToPrune are the former tokens, or those that are named. What is another's cannot be named.
func chosenToPrune(tokens []slot.RelayToken, ids []string) ([]slot.RelayToken, error) {
	if len(ids) == 0 {
		return slices.DeleteFunc(tokens, func(t slot.RelayToken) bool { return t.Owner != slot.Former }), nil
	}
	var chosen []slot.RelayToken
	for _, id := range ids {
		i := slices.IndexFunc(tokens, func(t slot.RelayToken) bool {
			return t.TokenID == id && (t.Owner == slot.Former || t.Owner == slot.ForeignInstance)
		})
		if i < 0 {
			return nil, fault.Newf(fault.Permanent, fault.NotFound, "prune token", id,
				"the relay lists no former token of this installation with this id").
				WithHint("`rotatord tokens` lists what the relay holds, and whose it is")
		}
		chosen = append(chosen, tokens[i])
	}
	return chosen, nil
}

// describeToken says whose a listed token is.
func (a Administration) describeToken(t moq.Token, slots []*worker) slot.RelayToken {
	out := slot.RelayToken{
		TokenID: t.ID, Operations: t.Operations, Label: t.Label, Created: slot.UTC(t.Created), Expires: slot.UTC(t.Expires), Owner: slot.Others,
	}
	if instance, ok := moq.LabelInstance(t.Label); ok {
		out.Instance, out.Owner = instance, slot.OtherInstance
		if instance == a.engine.Instance {
			out.Owner = slot.Former
		}
		if slices.Contains(a.engine.lists.namesakeTokens(slots[0].record.Key.OfRelay()), t.ID) {
			out.Owner = slot.ForeignInstance
		}
	}
	for _, w := range slots {
		w.markOwned(&out, t)
	}
	return out
}

// markOwned marks a listed token that the slot's record accounts for.
func (w *worker) markOwned(out *slot.RelayToken, t moq.Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	claimed := w.plan != nil && w.record.ClaimsID(t.ID) // what in_place made is no former token, which would be pruned
	if !w.record.Owns(t) && !claimed {
		return
	}
	out.Owner, out.Slot = slot.Ours, w.nameLocked()
	if w.plan == nil && !w.record.DeliveryPending() {
		out.Owner = slot.Former // of a slot that left: nobody renews it
	}
	v := w.view()
	for _, o := range w.record.Retiring {
		if o.ID == t.ID {
			out.Rotation, out.Retire = o.RotationID, v.RetiresAt(&o)
			if o.Matched {
				out.Owner = slot.Others
			}
		}
	}
	if rot := w.record.Rotation; rot != nil && rot.Token != nil && rot.Token.ShownID() == t.ID {
		out.Rotation = rot.ID
	}
	if sv := w.record.Current; sv != nil && sv.ShownID() == t.ID {
		out.Rotation = sv.RotationID
	}
}

// findServing reads every configured target of the slots and says which token each holds; what slots or targets left is
// not read.
// A target whose content cannot be told forbids all pruning, but that of what lets nobody in any more.
func (a Administration) findServing(ctx context.Context, tokens []slot.RelayToken, slots []*worker) {
	certain := true
	for _, w := range slots {
		plan, rec := w.currentPlan(), w.read()
		if plan == nil {
			continue
		}
		for _, t := range plan.Targets {
			certain = a.findServingAt(ctx, tokens, w, rec, t) && certain
		}
	}
	for i := range tokens {
		former := tokens[i].Owner == slot.Former || tokens[i].Owner == slot.ForeignInstance
		tokens[i].Prunable = (certain || a.hasExpired(tokens[i], slots[0])) && former && len(tokens[i].ServedBy) == 0
	}
}

// hasExpired reports whether a listed token has expired by our clock and Cloudflare's.
func (a Administration) hasExpired(t slot.RelayToken, w *worker) bool {
	theirs := a.engine.cloudflareTime(w.record.Key.AccountID).Now
	return !t.Expires.IsZero() && !theirs.IsZero() && theirs.After(t.Expires) && a.engine.now().After(t.Expires)
}

func (a Administration) findServingAt(ctx context.Context, tokens []slot.RelayToken, w *worker, rec *slot.Record, t slot.Target) (certain bool) {
	sink, err := w.sink(t)
	if err != nil {
		return false
	}
	h, err := sink.Read(ctx, t.Target)
	if err != nil {
		return false
	}
	if !h.Exists {
		return true
	}
	rc, digest := rec.Receipts.At(t.Location), w.digest(h.Content)
	holds := holderOf(rc, digest, h.Content)
	for i := range tokens {
		if holds(&tokens[i]) {
			tokens[i].ServedBy = append(tokens[i].ServedBy, t.Sink)
			certain = true
		}
	}
	return certain || bytes.Equal(rc.Digest, digest) || moq.HoldsTokenOfAnotherRelay(h.Content, w.record.Key.RelayID)
}

// holderOf tells which token a content is of: by the receipt when it is what was
// delivered, and by the token's id in it or in the claims of a JWT in it.
func holderOf(rc slot.Receipt, digest []byte, content secret.Value) func(*slot.RelayToken) bool {
	delivered := rc.RotationID != "" && bytes.Equal(rc.Digest, digest)
	ids := moq.TokenIDsIn(content)
	return func(t *slot.RelayToken) bool {
		return delivered && t.Rotation == rc.RotationID || slices.Contains(ids, t.TokenID)
	}
}
