package etcdjournal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	tightShare = 0.6            // of the quota that etcd may use before somebody is told
	markEvery  = time.Hour      // a revision is remembered
	compactIn  = 24 * time.Hour // an etcd that compacts by itself has done so
)

// SpaceNotes say how etcd does for room. The zero value is that of an etcd that was not asked yet.
type SpaceNotes struct {
	Space
	Tight       bool // 60 % of the quota are used, or more
	Uncompacted bool // what is a day old can still be read: nobody compacts
}

// SpaceWatch looks after etcd's room, for as long as a replica runs: whether it leads makes no difference. It is safe
// for concurrent use.
type SpaceWatch struct {
	*place
	now func() time.Time

	marks []mark // of one look after the other, the oldest first
	mu    sync.Mutex
	last  SpaceNotes
}

// mark is a revision that etcd had at a time.
type mark struct {
	at       time.Time
	revision int64
}

// NewSpaceWatch makes one that has not looked yet.
func NewSpaceWatch(client *clientv3.Client, prefix string) *SpaceWatch {
	return &SpaceWatch{place: newPlace(client, prefix, signer{}, limits{}), now: time.Now}
}

// Last is what was found last.
func (w *SpaceWatch) Last() SpaceNotes {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Size is how many bytes the fullest member's database had; -1 when that is not known.
func (w *SpaceWatch) Size() int64 {
	if n := w.Last(); n.Quota > 0 {
		return n.Size
	}
	return -1
}

// Free is how many bytes of its quota the fullest member had left; -1 when that is not known.
func (w *SpaceWatch) Free() int64 {
	if n := w.Last(); n.Quota > 0 {
		return max(0, n.Quota-n.Size)
	}
	return -1
}

// Run looks every so often until ctx ends. It tells what it found when there is something to do, or no more. What
// cannot be asked stays as it was: others tell that etcd is away.
func (w *SpaceWatch) Run(ctx context.Context, every time.Duration, tell func(SpaceNotes)) {
	for {
		if changed, err := w.look(ctx); err == nil && changed {
			tell(w.Last())
		}
		if !wait(ctx, every) {
			return
		}
	}
}

// Ask looks once.
func (w *SpaceWatch) Ask(ctx context.Context) error {
	_, err := w.look(ctx)
	return err
}

func (w *SpaceWatch) look(ctx context.Context) (changed bool, err error) {
	found, err := w.Space(ctx)
	if err != nil {
		return false, err
	}
	n := SpaceNotes{Space: found, Tight: found.share() >= tightShare}
	if n.Uncompacted, err = w.isUncompacted(ctx); err != nil {
		return false, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.last
	w.last = n
	return n.Tight != before.Tight || n.Full != before.Full || n.Uncompacted != before.Uncompacted, nil
}

// isUncompacted remembers a revision now and then, and asks for the one that is a day old.
func (w *SpaceWatch) isUncompacted(ctx context.Context) (bool, error) {
	now := w.now()
	if last := len(w.marks) - 1; last < 0 || now.Sub(w.marks[last].at) >= markEvery {
		answer, err := w.get(ctx, w.full(formatKey), clientv3.WithKeysOnly())
		if err != nil {
			return false, w.faultOf(reading, err)
		}
		w.marks = append(w.marks, mark{now, answer.Header.Revision})
	}
	for len(w.marks) > 1 && now.Sub(w.marks[1].at) >= compactIn {
		w.marks = w.marks[1:]
	}
	if now.Sub(w.marks[0].at) < compactIn {
		return false, nil
	}
	return w.CanRead(ctx, w.marks[0].revision)
}

// Errs say what a person should do by what was found last, one thing each. They are none of etcd being away.
func (w *SpaceWatch) Errs() (errs []error) {
	n := w.Last()
	switch {
	case n.Full:
		errs = append(errs, w.fullErr(n))
	case n.Tight:
		errs = append(errs, w.faultOf(reading, fmt.Errorf("%w: %s", errTight, n.used())))
	}
	if n.Uncompacted {
		errs = append(errs, w.faultOf(reading, errUncompacted))
	}
	return errs
}

// FullErr is that etcd was full when it was looked at last; nil where it was not.
func (w *SpaceWatch) FullErr() error {
	if n := w.Last(); n.Full {
		return w.fullErr(n)
	}
	return nil
}

func (w *SpaceWatch) fullErr(n SpaceNotes) error {
	return w.faultOf(reading, fmt.Errorf("%w: %s: nothing is minted, and no replica can be elected", rpctypes.ErrNoSpace, n.used()))
}

func (n SpaceNotes) used() string {
	return fmt.Sprintf("%d of %d MiB are used", n.Size>>20, n.Quota>>20)
}

var (
	errTight       = errors.New("etcd's space becomes scarce")
	errUncompacted = errors.New("nobody compacts etcd: what was there a day ago can still be read")
)
