package rotation

import (
	"bytes"
	"context"
	"slices"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// readsAtOnce is how many targets are read side by side to see which tokens they hold.
const readsAtOnce = 32

// findServing says which token is held by which configured target: those of the relay's slots are read, and others where
// one may hold a token that the journal does not know. What slots or targets left is not read.
// A target whose content cannot be told forbids all pruning, but that of what lets nobody in any more.
func (a Administration) findServing(ctx context.Context, tokens []slot.RelayToken, slots []*worker) {
	var targets []servingTarget
	for _, w := range slots {
		targets = append(targets, w.servingTargets(func(slot.Receipt) bool { return true })...)
	}
	relay := slots[0].record.Key.OfRelay()
	if slices.ContainsFunc(tokens, isUnknownToJournal) {
		targets = append(targets, a.engine.undeliveredTargets(relay)...)
	}
	a.engine.together.atMost(readsAtOnce, len(targets), func(i int) { targets[i].read(ctx) })
	certain := true
	for i := range targets {
		certain = targets[i].markServed(tokens, relay) && certain
	}
	for i := range tokens {
		tokens[i].Prunable = (certain || a.hasExpired(tokens[i], slots[0])) && isFormer(tokens[i]) && len(tokens[i].ServedBy) == 0
	}
}

// servingTarget is a configured target that may hold a token, and what it holds.
type servingTarget struct {
	slot.Target
	worker  *worker
	receipt slot.Receipt
	holding sinks.Holding
	err     error
}

// servingTargets returns the targets of a slot that is configured, by what the journal knows to have been delivered there.
func (w *worker) servingTargets(chosen func(slot.Receipt) bool) (out []servingTarget) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.plan == nil {
		return nil
	}
	for _, t := range w.plan.Targets {
		if rc := w.record.Receipts.At(t.Location); chosen(rc) {
			out = append(out, servingTarget{Target: t, worker: w, receipt: rc})
		}
	}
	return out
}

// undeliveredTargets are those of other relays to which the journal knows no delivery. Once it was lost, one may hold a
// token of this relay: two relays may have exchanged their names before.
func (e *Engine) undeliveredTargets(relay moq.RelayKey) (out []servingTarget) {
	for _, w := range e.slots.allWorkers() {
		if w.record.Key.OfRelay() != relay {
			out = append(out, w.servingTargets(func(rc slot.Receipt) bool { return rc.RotationID == "" })...)
		}
	}
	return out
}

func (t *servingTarget) read(ctx context.Context) {
	sink, err := t.worker.sink(t.Target)
	if err == nil {
		t.holding, err = sink.Read(ctx, t.Target.Target)
	}
	t.err = err
}

// markServed notes with each token of a relay that the target holds it, and reports whether it is certain that it holds
// no other one of them.
func (t *servingTarget) markServed(tokens []slot.RelayToken, relay moq.RelayKey) (certain bool) {
	if t.err != nil {
		return false
	}
	if !t.holding.Exists {
		return true
	}
	content, digest := t.holding.Content, t.worker.digest(t.holding.Content)
	holds := holderOf(t.receipt, digest, content)
	for i := range tokens {
		if holds(&tokens[i]) {
			tokens[i].ServedBy = append(tokens[i].ServedBy, t.Sink)
			certain = true
		}
	}
	return certain || bytes.Equal(t.receipt.Digest, digest) || t.worker.record.Key.OfRelay() != relay ||
		moq.HoldsTokenOfAnotherRelay(content, relay.RelayID)
}

// isFormer reports whether nobody but a consumer may need the token.
func isFormer(t slot.RelayToken) bool {
	return t.Owner == slot.Former || t.Owner == slot.ForeignInstance
}

func isUnknownToJournal(t slot.RelayToken) bool { return isFormer(t) && t.Slot == "" }

// hasExpired reports whether a listed token has expired by our clock and Cloudflare's.
func (a Administration) hasExpired(t slot.RelayToken, w *worker) bool {
	theirs := a.engine.cloudflareTime(w.record.Key.AccountID).Now
	return !t.Expires.IsZero() && !theirs.IsZero() && theirs.After(t.Expires) && a.engine.now().After(t.Expires)
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
