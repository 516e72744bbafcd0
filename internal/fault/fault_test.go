package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestErrorSaysWhatWhereWhyAndWhatToDo(t *testing.T) {
	cause := errors.New("403 permission denied")
	for _, c := range []struct {
		err  *Error
		want string
	}{
		{&Error{Op: "write", Object: "vault-prod secret/moq/live", Err: cause, Hint: "grant update"}, "write vault-prod secret/moq/live: 403 permission denied (grant update)"},
		{&Error{Op: "write", Object: "disk /x", Err: cause}, "write disk /x: 403 permission denied"},
		{&Error{Op: "write", Err: cause}, "write: 403 permission denied"},
		{&Error{Op: "write", Object: "disk /x"}, "write disk /x"},
		{&Error{Op: "write", Hint: "try again"}, "write (try again)"},
		{Newf(Permanent, NotFound, "create token", "relay a1", "code %d", 21007).WithHint("see %s", "plan"), "create token relay a1: code 21007 (see plan)"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

func TestCausesAreFound(t *testing.T) {
	cause := errors.New("cause")
	if err := error(&Error{Err: fmt.Errorf("more: %w", cause)}); !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if err := Newf(Retry, Timeout, "read", "x", "more: %w", cause); !errors.Is(err, cause) {
		t.Error("Newf loses the cause")
	}
}

func TestOfFindsTheFaultInTheChain(t *testing.T) {
	if Of(nil) != nil {
		t.Error("Of(nil) is something")
	}
	f := &Error{Class: Ambiguous, Reason: Conflict, Op: "write"}
	if Of(fmt.Errorf("slot x: %w", f)) != f {
		t.Error("a wrapped fault is not found")
	}
	if Of(errors.Join(errors.New("other"), f)) != f {
		t.Error("a joined fault is not found")
	}
}

func TestOfClassesOtherErrorsByWhatTheyAre(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Reason
	}{
		{context.Canceled, Canceled},
		{fmt.Errorf("call: %w", context.DeadlineExceeded), Timeout},
		{&url.Error{Op: "Get", Err: os.ErrDeadlineExceeded}, Timeout},
		{&url.Error{Op: "Get", Err: context.Canceled}, Canceled},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, Unreachable},
		{&net.DNSError{Err: "no such host"}, Unreachable},
		{&net.DNSError{IsTimeout: true}, Timeout},
		{errors.New("anything"), Internal},
	} {
		f := Of(c.err)
		if f.Class != Retry || f.Reason != c.want {
			t.Errorf("%v: %s, %s; want retry, %s", c.err, f.Class, f.Reason, c.want)
		}
		if !errors.Is(f, c.err) {
			t.Errorf("%v: the cause is lost", c.err)
		}
	}
}

func TestTransportErrorsAreNeverInternal(t *testing.T) {
	for err, want := range map[error]Reason{
		errors.New("tls: bad certificate"): Unreachable, context.DeadlineExceeded: Timeout, context.Canceled: Canceled,
	} {
		f := NoAnswer("list tokens", "relay a1", err)
		if f.Class != Retry || f.Reason != want || f.Op != "list tokens" || f.Object != "relay a1" || !errors.Is(f, err) {
			t.Errorf("%v became %+v", err, f)
		}
	}
}

func TestAnUnclassedErrorIsTriedAgain(t *testing.T) {
	if (&Error{}).Class != Retry {
		t.Error("the zero class is not Retry")
	}
}

func TestClassNames(t *testing.T) {
	if got := fmt.Sprint(Retry, Permanent, Ambiguous); got != "retry permanent ambiguous" {
		t.Error(got)
	}
}

func TestReasonsAreAClosedSetOfLabels(t *testing.T) {
	list := Reasons()
	for _, r := range list {
		if r == "" || strings.Trim(string(r), "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%q is no metric label in snake case", r)
		}
	}
	if slices.Sort(list); len(slices.Compact(list)) != len(Reasons()) {
		t.Error("a reason is listed twice")
	}
}
