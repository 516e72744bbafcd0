package rotation

import (
	"context"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// Load brings back what the journal knows. Call it once, before Configure puts
// plans into force: the records share their memory.
func (e *Engine) Load(ctx context.Context, plans []*slot.Plan) error {
	words, planned := newStringSharer(), make(map[moq.Key]*slot.Plan, len(plans))
	for _, p := range plans {
		planned[p.Key] = p
	}
	if err := e.loadBlocks(ctx); err != nil {
		return err
	}
	return e.Journal.Load(ctx, func(r *slot.Record) error {
		if r.Failure != nil {
			r.Failure.Message = boundedMessage(r.Failure.Message)
		}
		words.shareRecord(r, planned[r.Key])
		w := e.slots.addWorker(e, *r)
		if w.record.PendingMint != nil {
			w.record.LoseMint(e.now(), e.began, true) // a crash came in between: it may have been carried out
		}
		if e.TakeOver {
			w.record.TakeOver(e.now(), e.began)
		}
		return nil
	})
}
