package etcdjournal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// maxRecord is how large a record's value may be: etcd's limit of a request is three times as much.
const maxRecord = 512 << 10

// Save makes r, and the events if any, durable in one transaction before it returns. Its time is bounded, whatever ctx
// says. After an error that may pass it is not known whether r was kept, or may be yet: that ends with the next save of
// the slot that succeeds, which comes after it.
func (s *Store) Save(ctx context.Context, r *slot.Record, events ...slot.Event) error {
	began := time.Now()
	var history historyMaker
	if len(events) > 0 {
		history = func(ctx context.Context, sequence uint64) (string, error) {
			return s.extendHistory(ctx, r.Key, sequence, events)
		}
	}
	err := s.save(ctx, r, history)
	s.observe(time.Since(began), err)
	return err
}

func (s *Store) observe(took time.Duration, err error) {
	if s.options.Observe != nil {
		s.options.Observe(took, err)
	}
}

// historyMaker returns the value that a slot's history is to have, for each try anew.
type historyMaker func(ctx context.Context, sequence uint64) (string, error)

// save leaves a slot's history alone where history is nil.
func (s *Store) save(ctx context.Context, r *slot.Record, history historyMaker) error {
	text, err := json.Marshal(r)
	if err != nil {
		return slot.RecordFault("encode", r, err)
	}
	if size := envelopeHead + len(text); size > maxRecord {
		return slot.RecordFault("save", r, fmt.Errorf("its %d bytes are more than the %d that fit", size, maxRecord))
	}
	if err := s.over.why(); err != nil {
		return s.faultOf(writing, err)
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	slotKnown, end, err := s.revisions.begin(ctx, r.Key)
	if err != nil {
		return s.faultOf(writing, err)
	}
	w := &write{store: s, slot: r.Key, known: slotKnown, sequence: s.sequence.Add(1), history: history}
	w.value = s.signer.seal(slotKey(r.Key), w.sequence, text)
	err = w.carryOut(ctx)
	end(w.known)
	if err != nil {
		return s.faultOf(writing, err)
	}
	return nil
}

// write is one save under way; the only one of its slot.
type write struct {
	store    *Store
	slot     moq.Key
	known    known // of the slot's record
	sequence uint64
	value    string
	history  historyMaker
}

// carryOut sends the transaction until it is known to be kept or refused.
func (w *write) carryOut(ctx context.Context) error {
	select {
	case w.store.places <- struct{}{}:
		defer func() { <-w.store.places }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return w.store.repeat(ctx, w.send)
}

func (w *write) send(ctx context.Context) error {
	s := w.store
	puts, err := w.puts(ctx)
	if err != nil {
		return err
	}
	at, there, err := s.replace(ctx, slotKey(w.slot), w.known.revision, puts...)
	switch {
	case err != nil:
		return err
	case at > 0:
		w.known = known{at, w.sequence}
		return nil
	}
	return w.judge(there)
}

// puts returns what is to be written.
func (w *write) puts(ctx context.Context) ([]clientv3.Op, error) {
	ops := []clientv3.Op{clientv3.OpPut(w.store.full(slotKey(w.slot)), w.value)}
	if w.history == nil {
		return ops, nil
	}
	history, err := w.history(ctx, w.sequence)
	if err != nil {
		return nil, err
	}
	return append(ops, clientv3.OpPut(w.store.full(historyKey(w.slot)), history)), nil
}

// judge says what it means that the slot's record is not at the revision that was known, though the fence is intact. It
// is a save of this store whose answer was lost: this very one, which is then kept, or one before it. Of what was
// acknowledged all came before; so anything else is not what this store left there.
func (w *write) judge(found []*mvccpb.KeyValue) error {
	if len(found) == 0 {
		return w.store.over.set(fmt.Errorf("%w: the record of slot %s is gone", ErrRestored, w.slot))
	}
	_, by, err := w.store.signer.open(slotKey(w.slot), found[0].Value)
	switch {
	case err != nil:
		return w.store.over.set(fmt.Errorf("%w: the record of slot %s: %w", ErrRestored, w.slot, err))
	case !w.store.signer.isOurs(by), by.sequence <= w.known.sequence, by.sequence > w.sequence:
		return w.store.over.set(fmt.Errorf("%w: the record of slot %s is another", ErrRestored, w.slot))
	}
	w.known.revision = found[0].ModRevision
	if by.sequence < w.sequence {
		return errLate
	}
	w.known.sequence = w.sequence
	return nil
}
