package rotation

import (
	"context"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// Load brings back what the journal knows. Call it once, before Configure puts
// plans into force: the records share their memory.
func (e *Engine) Load(ctx context.Context, plans []*slot.Plan) error {
	if err := e.loadBlocks(ctx); err != nil {
		return err
	}
	e.slots.expect(len(plans))
	share, now := e.wordSharer(plans), e.now()
	return e.Journal.Load(ctx, func(r *slot.Record) error {
		if r.Failure != nil {
			r.Failure.Message = boundedMessage(r.Failure.Message)
		}
		share(r)
		w := e.slots.addWorker(e, *r)
		if w.record.PendingMint != nil {
			w.record.LoseMint(now, e.began, true) // a crash came in between: it may have been carried out
		}
		if e.TakeOver {
			w.record.TakeOver(now, e.began)
		}
		return nil
	})
}

// wordSharer returns what has records share their words. After a take-over nothing does: etcd's are no parts of a longer
// text, Configure shares those of plans, and nobody leads meanwhile.
func (e *Engine) wordSharer(plans []*slot.Plan) func(*slot.Record) {
	if e.TakeOver {
		return func(*slot.Record) {}
	}
	words, planned := newStringSharer(), make(map[moq.Key]*slot.Plan, len(plans))
	for _, p := range plans {
		planned[p.Key] = p
	}
	return func(r *slot.Record) { words.shareRecord(r, planned[r.Key]) }
}
