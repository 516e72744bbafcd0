package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestWhatWasHeldBackIsToldFromWhatWasCutOffAndFromAFailure(t *testing.T) {
	why := errors.New("its term is over")
	for err, want := range map[error]bool{
		HeldBack(why, false):                     true,
		fmt.Errorf("%w", HeldBack(why, false)):   true,
		HeldBack(why, true):                      false,
		Newf(Retry, Canceled, "write", "x", "y"): false,
		&Error{Reason: Timeout, Unsent: true}:    false,
		context.Canceled:                         false,
		nil:                                      false,
	} {
		if IsHeldBack(err) != want {
			t.Errorf("%v: held back %t", err, !want)
		}
	}
	if !errors.Is(HeldBack(why, false), why) {
		t.Error("it does not say why")
	}
}
