package fault

import "fmt"

// HeldBack returns the error of a call that was not made, or, where it had begun, was cut off, since this process may not
// act any more; why is what MayAct said.
func HeldBack(why error, begun bool) *Error {
	what := "nothing was sent or changed"
	if begun {
		what = "it was cut off before its end"
	}
	return &Error{
		Class: Retry, Reason: Canceled, Unsent: !begun, Err: fmt.Errorf("%s: %w", what, why),
		Hint: "this replica leads no more, and begins nothing; the one that leads goes on",
	}
}
