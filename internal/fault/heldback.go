package fault

import "fmt"

// HeldBack returns the error of a call that was not made, or, where it had begun, was cut off, since its term is
// over, or could not be proven; why is what its mandate said.
func HeldBack(why error, begun bool) *Error {
	what := "nothing was sent or changed"
	if begun {
		what = "it was cut off before its end"
	}
	return &Error{
		Class: Retry, Reason: Canceled, Unsent: !begun, Err: fmt.Errorf("%s: %w", what, why),
		Hint: "this replica leads no more, or cannot prove that it does, and begins nothing; the one that leads goes on",
	}
}

// IsHeldBack reports whether err is of a call of which nothing left, since its term is over or could not be proven, or
// since it was cancelled before.
func IsHeldBack(err error) bool {
	f := Of(err)
	return f != nil && f.Unsent && f.Reason == Canceled
}
