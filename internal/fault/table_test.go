package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
)

func exampleTable() fault.Table[error] {
	return fault.Table[error]{
		fault.When(fault.Is(fs.ErrNotExist), fault.Permanent, fault.NotFound, "make {folder} for {target}"),
		fault.When(fault.As[*fs.PathError](), fault.Retry, fault.Storage, "look at the disk"),
		fault.When(fault.Any[error], fault.Ambiguous, "", ""),
	}
}

func TestTheFirstRowThatMatchesCounts(t *testing.T) {
	table := exampleTable()
	for i, err := range []error{&fs.PathError{Err: fs.ErrNotExist}, &fs.PathError{Err: fs.ErrClosed}, errors.New("anything")} {
		if got := table.Index(err); got != i {
			t.Errorf("%v is row %d, want %d", err, got, i)
		}
	}
	if m, ok := table[:2].Find(errors.New("anything")); ok {
		t.Errorf("what no row matches is %+v", m)
	}
}

func TestMatchersAreJoined(t *testing.T) {
	both := fault.All(fault.As[*fs.PathError](), fault.Is(fs.ErrExist, fs.ErrNotExist))
	for err, want := range map[error]bool{
		fs.ErrNotExist: false, &fs.PathError{Err: fs.ErrClosed}: false, &fs.PathError{Err: fs.ErrExist}: true, &fs.PathError{Err: fs.ErrNotExist}: true,
	} {
		if both(err) != want {
			t.Errorf("%v matches: %v", err, !want)
		}
	}
}

func TestAMeaningIsAnErrorWithItsWordsPutIn(t *testing.T) {
	m, ok := exampleTable().Find(fs.ErrNotExist)
	if !ok {
		t.Fatal("no row matches")
	}
	err := m.Error("write", "moq/live", fs.ErrNotExist, "{folder}", "/srv", "{target}", "moq/live")
	if want := "write moq/live: file does not exist (make /srv for moq/live)"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if err.Class != fault.Permanent || err.Reason != fault.NotFound || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%+v", err)
	}
}

func TestAMeaningWithoutAReasonHasThatOfTheError(t *testing.T) {
	for cause, want := range map[error]fault.Reason{
		context.DeadlineExceeded: fault.Timeout, context.Canceled: fault.Canceled, errors.New("refused"): fault.Unreachable,
	} {
		if err := (fault.Meaning{}).Error("read", "x", fmt.Errorf("call: %w", cause)); err.Reason != want {
			t.Errorf("%v: %s, want %s", cause, err.Reason, want)
		}
	}
}
