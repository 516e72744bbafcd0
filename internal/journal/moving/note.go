// Package moving moves a journal from one store of records to another: all of it is copied and
// compared, then the former store is closed with a tombstone, and only then the new one may be
// used. Whatever ends a move half way, at most one of the two can be used afterwards, and the same
// move made again comes to its end.
//
// Both stores are held by whoever moves, so that nobody else reads or writes them meanwhile.
package moving

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// State is what a move has made of a store.
type State string

// The states. A store that was part of no move has none.
const (
	Moved      State = "moved"      // its journal went to another store: the note is its tombstone
	Unfinished State = "unfinished" // a journal is being copied into it
	Complete   State = "complete"   // a journal was moved into it
)

// Note is what a store says of the latest move that it was part of.
type Note struct {
	State State     `json:"state"`
	ID    string    `json:"id"`    // of the move: the same in both stores
	Other Name      `json:"other"` // the other store
	At    time.Time `json:"at"`
}

// Name is how a store is called.
type Name struct {
	Shown    string `json:"shown"`    // to people
	Argument string `json:"argument"` // of `rotatord state copy`
}

// Err returns why a store with this note is not to be used; nil when it may be.
func (n Note) Err() error {
	switch n.State {
	case Moved, Unfinished:
		return &Refusal{n}
	}
	return nil
}

// Refusal is the error of a store that is not to be used.
type Refusal struct{ Note Note }

// Error says what came of the journal.
func (r *Refusal) Error() string {
	at := r.Note.At.UTC().Format(time.RFC3339)
	if r.Note.State == Moved {
		return fmt.Sprintf("its journal was moved to %s at %s", r.Note.Other.Shown, at)
	}
	return fmt.Sprintf("the journal of %s was being copied here at %s, and the copy is not finished", r.Note.Other.Shown, at)
}

// Explain has a fault about a store say what to do; argument names that store in `rotatord state copy`.
func (r *Refusal) Explain(f *fault.Error, argument string) {
	f.Class, f.Reason = fault.Permanent, fault.Conflict
	other := r.Note.Other.Argument
	if r.Note.State == Moved {
		f.Hint = fmt.Sprintf("start rotatord with that store; the way back, with rotatord stopped: rotatord state copy %s %s", other, argument)
		return
	}
	f.Hint = fmt.Sprintf("finish it, as often as it takes: rotatord state copy %s %s", other, argument)
}
