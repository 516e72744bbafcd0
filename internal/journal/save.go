package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rotatord/rotatord/internal/journal/moving"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/wal"
)

// Save makes r, and the events if any, durable in one commit before it returns. A
// save that still waits ends with ctx; once in a commit its result is awaited.
func (b *Bolt) Save(ctx context.Context, r *slot.Record, events ...slot.Event) error {
	numbered := make([]moving.Event, len(events))
	for i, e := range events {
		numbered[i] = moving.Event{Rank: b.events.Add(1), Event: e}
	}
	entry, err := encodeEntry(r, numbered)
	if err != nil {
		return slot.RecordFault("encode", r, err)
	}
	return b.append(ctx, r, entry)
}

// append makes a record's entry durable.
func (b *Bolt) append(ctx context.Context, r *slot.Record, entry []byte) error {
	if err := b.db.WhyBroken(); err != nil { // nothing could bring it home
		return b.writeFault(err)
	}
	err := b.log.Append(ctx, entry)
	switch {
	case errors.Is(err, wal.ErrTooLarge):
		return slot.RecordFault("save", r, fmt.Errorf("%w: its %d bytes do not fit", err, len(entry)))
	case err != nil:
		return b.writeFault(err)
	}
	return nil
}

// Bytes that a change takes beside its key and content, and that an event usually takes.
const (
	changeRoom = 16
	eventRoom  = 512
)

// encodeEntry encodes a record and its events as an entry of the log.
func encodeEntry(r *slot.Record, events []moving.Event) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	key := []byte(r.Key.String())
	entry := make([]byte, 0, len(text)+len(key)+changeRoom+eventRoom*len(events))
	entry = appendChange(entry, slotBucket, key, text)
	for i := range events {
		if text, err = json.Marshal(&events[i].Event); err != nil {
			return nil, err
		}
		entry = appendChange(entry, historyBucket, eventKey(events[i].Event, events[i].Rank), text)
	}
	return entry, nil
}
