// Package fault is the one error type that crosses rotatord's packages: what was tried, on what,
// why it failed, whether trying again can help, and what a person can do about it.
//
// Whoever calls the outside makes an Error: a backend looks up in a Table (meanings.go of each) what
// its own errors mean, a lost answer among them; its rows give a Class, a Reason and a hint. What
// ended before a table could be asked, such as a wait, is NoAnswer's. Whoever decides reads it by
// Of, which classes any other error, too. The engine goes by class and reason, by how long it is to
// wait (After) and whether the call left (Unsent), never by the text; metrics take the reason as a
// label, and a person reads the text: operation, object, the upstream's own words, the hint in
// brackets.
//
// A text that leaves its package holds no value: cf cleans what it makes (package redact); a sink
// says what is secret (sinks.Confide), and its decorator cleans (sinks.Redacted).
package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Class says what the caller may do after an error.
type Class uint8

// The classes. The zero value is Retry, so that an unclassed error is tried again. The engine tries all three
// again, by one backoff. The class tells it whether a mint has to be looked for (Ambiguous); whether a target that could
// not be read is only silent (Retry) or will not be read, and is written all the same (Permanent); whether trouble with
// a disk may end by itself (Retry) or not, as of a read-only file system or a record that cannot be saved (Permanent).
// People it tells whether they have to act.
const (
	Retry     Class = iota // may be repeated as it is, whether or not it was carried out; that may help
	Permanent              // nothing was changed; it will fail again until somebody acts
	Ambiguous              // of a mint: it was carried out, or may have been, and repeating it would mint again
)

// String returns the class's name.
func (c Class) String() string {
	return [...]string{"retry", "permanent", "ambiguous"}[c]
}

// Reason is the small closed set that metrics use as a label; docs/metrics.md lists it.
type Reason string

// Every Reason there is.
const (
	Unauthorized Reason = "unauthorized" // credentials missing, wrong or expired
	Forbidden    Reason = "forbidden"    // credentials lack a permission
	NotFound     Reason = "not_found"    // relay, mount or secret does not exist
	NotOffered   Reason = "not_offered"  // the account, or its API token, is not offered this call
	Conflict     Reason = "conflict"     // another writer came in between
	Foreign      Reason = "foreign"      // the target holds what is not the slot's: no rotatord, or another slot, wrote it
	Full         Reason = "full"         // no room: on the relay, for another token of the slot, or on a disk
	RateLimited  Reason = "rate_limited" // told to slow down
	Unreachable  Reason = "unreachable"  // no connection, DNS or TLS failure
	Timeout      Reason = "timeout"      // no answer in time, or no turn in time to ask
	ServerError  Reason = "server_error" // 5xx, sealed, internal failure
	BadAnswer    Reason = "bad_answer"   // an answer that makes no sense
	Invalid      Reason = "invalid"      // the request or configuration was refused as wrong
	Setup        Reason = "setup"        // a sink or a listener cannot be opened: what it needs is missing, wrong or taken
	Mismatch     Reason = "mismatch"     // read back something else than was written, or a token's value claims something else than its answer
	Lost         Reason = "lost"         // the value or its token is gone
	Storage      Reason = "storage"      // the journal or a local disk cannot be written
	Canceled     Reason = "canceled"     // rotatord is stopping, leads no more, or the slot has left the configuration
	Internal     Reason = "internal"     // a fault of rotatord's own
)

// Reasons lists the closed set, in the order of the documentation.
func Reasons() []Reason {
	return []Reason{
		Unauthorized, Forbidden, NotFound, NotOffered, Conflict, Foreign, Full, RateLimited, Unreachable,
		Timeout, ServerError, BadAnswer, Invalid, Setup, Mismatch, Lost, Storage, Canceled, Internal,
	}
}

// Error is a classed failure. Its text never holds a token's value.
type Error struct {
	Class  Class
	Reason Reason
	Op     string        // what was tried: "create token", "write"
	Object string        // on what: "relay a1b2…", "vault-prod secret/moq/live-main"
	Hint   string        // what a person can do; may be empty
	After  time.Duration // do not try again before; zero when unknown
	Unsent bool          // the call was given up before anything of it left: it shows nothing of the other side
	Err    error         // the cause, with the upstream's own code and message
}

// Error says what, where, why and what to do, in that order.
func (e *Error) Error() string {
	text := strings.TrimSpace(e.Op + " " + e.Object)
	if e.Err != nil {
		if text != "" {
			text += ": "
		}
		text += e.Err.Error()
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Unwrap returns the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Of finds the *Error in err's chain. An error without one is classed from what
// it is: timeouts, cancellations and network failures are Retry, and so is
// anything unknown, under Internal. Of(nil) is nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Class: Retry, Reason: reasonOf(err), Err: err}
}

func reasonOf(err error) Reason {
	var n net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.As(err, &n) && n.Timeout():
		return Timeout
	case errors.As(err, &n):
		return Unreachable
	}
	return Internal
}

// NoAnswer classes what ended, by its context or by the network, without an answer that a Table could
// be asked about. It is Retry: that a mint may have been carried out is for a row of a table to say.
func NoAnswer(op, object string, err error) *Error {
	return &Error{Class: Retry, Reason: noAnswerReason(err), Op: op, Object: object, Err: err, Hint: dateHint(err, time.Now())}
}

func noAnswerReason(err error) Reason {
	if r := reasonOf(err); r != Internal {
		return r
	}
	return Unreachable
}

// Newf builds an Error whose cause is a formatted text.
func Newf(c Class, r Reason, op, object, format string, args ...any) *Error {
	return &Error{Class: c, Reason: r, Op: op, Object: object, Err: fmt.Errorf(format, args...)}
}

// WithHint returns e with what a person can do.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}
