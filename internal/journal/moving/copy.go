package moving

import (
	"cmp"
	"context"
	"errors"
	"sync"
)

// copiers is how many slots are copied at a time: a store makes many durable together.
const copiers = 64

var errDiffer = errors.New("the copy is not what was copied")

// copyAll empties the new store, copies everything, and compares what the two then hold.
func (m Move) copyAll(ctx context.Context) (r Result, err error) {
	if err := m.To.Clear(ctx, m.From.DigestKey()); err != nil {
		return r, err
	}
	copied, err := m.copySlots(ctx, &r)
	if err != nil {
		return r, err
	}
	accounts, err := m.From.LoadAccounts(ctx, func(err error) { m.tell("left behind, as it tells nothing: %v", err) })
	for i := 0; err == nil && i < len(accounts); i++ {
		err = m.To.SaveAccount(ctx, accounts[i])
	}
	if err != nil {
		return r, err
	}
	if r.Inventory, err = copied.total(m.From.DigestKey(), accounts); err != nil {
		return r, err
	}
	there, err := takeInventory(ctx, m.To, m.kept())
	if err == nil {
		err = r.compare(there)
	}
	if err == nil {
		m.tellCopied(r)
	}
	return r, err
}

// kept is how many events of a slot both stores keep.
func (m Move) kept() int { return min(m.From.KeptEvents(), m.To.KeptEvents()) }

func (m Move) tellCopied(r Result) {
	m.tell("copied and compared: %s", r.Inventory)
	if r.LeftBehind > 0 {
		m.tell("left behind: %s of the history: %s keeps the last %d of a slot",
			count(r.LeftBehind, "older event"), m.To.Name.Shown, m.To.KeptEvents())
	}
}

// copySlots copies all slots, many at a time.
func (m Move) copySlots(ctx context.Context, r *Result) (*counting, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots, copied := make(chan Slot), &counting{}
	var workers sync.WaitGroup
	for range copiers {
		workers.Go(func() {
			for s := range slots {
				if err := errors.Join(copied.add(s), m.To.Import(ctx, s)); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := m.From.Export(ctx, func(s Slot) error {
		kept := s.Last(m.kept())
		r.LeftBehind += len(s.Events) - len(kept.Events)
		select {
		case slots <- kept:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(slots)
	workers.Wait()
	return copied, cmp.Or(context.Cause(ctx), err) // what ended it says more than that it was ended
}
