package rotation

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
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
