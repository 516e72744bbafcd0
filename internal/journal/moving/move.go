package moving

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// Party is one of the two stores of a move.
type Party struct {
	Store
	Name Name
}

// Move moves a journal.
type Move struct {
	From, To Party
	Now      func() time.Time
	Tell     func(line string) // what is done; nil: nobody
}

// Result is what came of a move.
type Result struct {
	Inventory            // of both stores
	LeftBehind int       // events that the new store has no room for
	Before     time.Time // when the same move was made before: there was nothing to do; else zero
}

// Run moves the journal, or finishes the move that was begun. On an error the store that it came from is as it was,
// unless all is copied: then neither can be used before it is run again.
func (m Move) Run(ctx context.Context) (Result, error) {
	from, to := m.From.Note(), m.To.Note()
	if from.State == Moved && to.State == Complete && from.ID == to.ID {
		return Result{Before: to.At}, nil
	}
	if err := m.judge(ctx); err != nil {
		return Result{}, err
	}
	id := rand.Text()
	if from.State == Moved {
		id = from.ID
	}
	if err := m.note(ctx, m.To, m.From, Unfinished, id); err != nil {
		return Result{}, err
	}
	result, err := m.copyAll(ctx)
	if err != nil {
		return Result{}, err
	}
	return result, m.handOver(ctx, id)
}

// handOver closes the former store before the new one may be used.
func (m Move) handOver(ctx context.Context, id string) error {
	if m.From.Note().State != Moved {
		if err := m.note(ctx, m.From, m.To, Moved, id); err != nil {
			return err
		}
	}
	m.tell("%s: closed; rotatord refuses to start with it", m.From.Name.Shown)
	if err := m.note(ctx, m.To, m.From, Complete, id); err != nil {
		return err
	}
	m.tell("%s: ready", m.To.Name.Shown)
	return nil
}

func (m Move) note(ctx context.Context, in, other Party, s State, id string) error {
	return in.PutNote(ctx, Note{State: s, ID: id, Other: other.Name, At: m.Now().UTC().Truncate(time.Second)})
}

func (m Move) tell(format string, args ...any) {
	if m.Tell != nil {
		m.Tell(fmt.Sprintf(format, args...))
	}
}

// judge refuses to move what is not there to be moved, and to overwrite what somebody may need.
func (m Move) judge(ctx context.Context) error {
	if err := m.judgeFrom(ctx); err != nil {
		return err
	}
	empty, err := m.To.IsEmpty(ctx)
	if err != nil || empty {
		return err
	}
	switch to := m.To.Note(); {
	case to.State == Unfinished && !bytes.Equal(m.From.DigestKey(), m.To.DigestKey()):
		return m.refusal(m.To)
	case to.State == Unfinished: // of this very journal
		return nil
	case to.State == Moved && to.ID == m.From.Note().ID: // the way back
		return nil
	}
	return m.refuseToOverwrite()
}

func (m Move) judgeFrom(ctx context.Context) error {
	from := m.From.Note()
	unfinished := from.State == Moved && m.To.Note().State == Unfinished && m.To.Note().ID == from.ID
	if from.Err() != nil && !unfinished {
		return m.refusal(m.From)
	}
	empty, err := m.From.IsEmpty(ctx)
	if err == nil && empty {
		err = fault.Newf(fault.Permanent, fault.Invalid, "copy the journal of", m.From.Name.Shown, "it holds no records").
			WithHint("nothing was touched; rotatord starts with %s as it is", m.To.Name.Shown)
	}
	return err
}

// refusal is the error of a party that is not to be used.
func (m Move) refusal(p Party) error {
	r := &Refusal{p.Note()}
	f := fault.Newf(fault.Permanent, fault.Conflict, "use the journal of", p.Name.Shown, "%w", r)
	r.Explain(f, p.Name.Argument)
	return f
}

func (m Move) refuseToOverwrite() error {
	f := fault.Newf(fault.Permanent, fault.Conflict, "copy the journal of", m.From.Name.Shown,
		"%s holds a journal already, which would be lost", m.To.Name.Shown)
	if note := m.To.Note(); note.State == Moved {
		f.Err = fmt.Errorf("%w; it was moved on to %s", f.Err, note.Other.Shown)
	}
	return f.WithHint("nothing was touched; if nobody needs it, put it aside: %s", asideHint(m.To.Name))
}

// asideHint says how a journal is put aside.
func asideHint(n Name) string {
	if n.Argument == "etcd" {
		return "give state.etcd another prefix"
	}
	return "mv " + n.Argument + " " + n.Argument + ".old"
}
