package rotation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// fakeDisk keeps the record; what is loaded from it has been through bytes, as on a disk.
type fakeDisk struct {
	w          *world
	saved      *slot.Record // never changed once it is here
	neighbour  *slot.Record // of another slot of the relay, which left the configuration
	accounts   []slot.AccountNote
	illegible  error // what is wrong with another account's note
	events     []slot.Event
	full       bool
	half       bool // saves succeed, checks do not
	lost       bool // its files were deleted
	stuck      bool // and cannot be written anew
	unfit      bool // it refuses the record
	failedOnce bool
	term       int // the latest, of replicas
	saves      int
}

func (d *fakeDisk) Save(_ context.Context, r *slot.Record, events ...slot.Event) error {
	term := d.w.term
	return d.w.call(saveCall, "", func(o *outcome) error {
		if term != d.term {
			return errFenced()
		}
		if o.fails() || d.full {
			d.failedOnce = true
			return errors.New("no space left on device")
		}
		if d.unfit {
			return fault.Newf(fault.Permanent, fault.Internal, "save", "record", "too large")
		}
		d.w.onSave(r)
		d.saves++
		d.saved, d.events = r, append(d.events, events...)
		return nil
	})
}

// record is what is durable; nil when nothing is.
func (d *fakeDisk) record() *slot.Record { return d.saved }

func (d *fakeDisk) bytes() []byte {
	b, err := json.Marshal(d.saved)
	if err != nil {
		d.w.t.Fatal(err)
	}
	if bytes.Contains(b, []byte("value-")) {
		d.w.breaks("9: a value lies in clear in the journal")
	}
	return b
}

func (d *fakeDisk) Load(_ context.Context, visit func(*slot.Record) error) error {
	if d.neighbour != nil {
		if err := visit(d.neighbour.Clone()); err != nil {
			return err
		}
	}
	if d.saved == nil {
		return nil
	}
	r := new(slot.Record)
	if err := json.Unmarshal(d.bytes(), r); err != nil {
		d.w.t.Fatal(err)
	}
	return visit(r)
}

func (d *fakeDisk) History(context.Context, *moq.Key, int) ([]slot.Event, error) {
	out := slices.Clone(d.events)
	slices.Reverse(out)
	return out, nil
}

func (d *fakeDisk) Check(context.Context) error {
	switch {
	case d.lost:
		return slot.ErrRecordsLost
	case d.full || d.half:
		return errors.New("no space left on device")
	}
	return nil
}

func (d *fakeDisk) Restore(_ context.Context, records iter.Seq[*slot.Record]) error {
	if d.stuck {
		return errors.New("read-only file system")
	}
	d.saved, d.lost = nil, false
	for r := range records {
		if r.Key == testKey {
			d.saved = r
		}
	}
	return nil
}

func (d *fakeDisk) SaveAccount(_ context.Context, n slot.AccountNote) error {
	if d.full {
		return errors.New("no space left on device")
	}
	d.accounts = slices.DeleteFunc(d.accounts, func(o slot.AccountNote) bool { return o.AccountID == n.AccountID })
	d.accounts = append(d.accounts, n)
	return nil
}

func (d *fakeDisk) LoadAccounts(_ context.Context, damaged func(error)) ([]slot.AccountNote, error) {
	if d.illegible != nil {
		damaged(d.illegible)
	}
	return d.accounts, nil
}

func (d *fakeDisk) DigestKey() []byte { return []byte("0123456789abcdef0123456789abcdef") }

// fakeSealer reverses and shifts, so that a value is never in clear.
type fakeSealer struct{ w *world }

func (fakeSealer) Seal(v secret.Value) ([]byte, error) {
	return shift([]byte(v.Reveal()), 1), nil
}

func (f fakeSealer) Open(b []byte) (secret.Value, error) {
	if f.w.identityLost && !f.w.sane {
		return secret.Value{}, errors.New("no identity matched")
	}
	if len(b) == 0 {
		return secret.Value{}, errors.New("nothing is sealed")
	}
	return secret.New(string(shift(b, 255))), nil
}

func shift(b []byte, by byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] += by
	}
	return out
}
