package sinktest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

func (s *suite) render(t *testing.T, n int) secret.Value {
	t.Helper()
	v, err := s.sink.Render(Record(n))
	if err != nil {
		t.Fatalf("Render: %v", err)
	}
	return v
}

func (s *suite) write(t *testing.T, n int) secret.Value {
	t.Helper()
	content := s.render(t, n)
	if err := s.sink.Write(t.Context(), s.target, content, sinks.WriteOptions{RotationID: Record(n).RotationID}); err != nil {
		t.Fatalf("Write: %v", err)
	}
	return content
}

func (s *suite) probeTarget(t *testing.T) sinks.Holding {
	t.Helper()
	got, err := s.sink.Probe(t.Context(), s.target, sinks.ProbeOptions{Read: true})
	if err != nil || !got.Known {
		t.Fatalf("Probe = known %t, %v", got.Known, err)
	}
	return got
}

func (s *suite) versionCount(t *testing.T) int {
	t.Helper()
	if s.Versions == nil {
		return 0
	}
	return s.Versions(t, s.target)
}

// afterRestart is the same target seen by a sink that remembers nothing.
func (s *suite) afterRestart(t *testing.T) *suite {
	t.Helper()
	fresh := open(t, s.Harness)
	fresh.target = s.target
	return fresh
}

func (s *suite) mustHold(t *testing.T, want secret.Value) {
	t.Helper()
	got, err := s.sink.Read(t.Context(), s.target)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	if !got.Known || !got.Exists || !got.Content.Equal(want) {
		t.Errorf("Read = known %t, exists %t, right content %t", got.Known, got.Exists, got.Content.Equal(want))
	}
	if seen, exists := s.Peek(t, s.target); !exists || seen != want.Reveal() {
		t.Errorf("a consumer sees %q (exists %t), want %q", seen, exists, want.Reveal())
	}
}

func (s *suite) wantAbsent(t *testing.T, op string, got sinks.Holding, err error) {
	t.Helper()
	if err != nil || !got.Known || got.Exists || !got.Content.IsEmpty() {
		t.Errorf("%s = known %t, exists %t, %v; want known and absent", op, got.Known, got.Exists, err)
	}
}

// wantFault demands a *fault.Error of the closed set that says what was tried
// on what; it reports nil when err is not one.
func wantFault(t *testing.T, op string, err error) *fault.Error {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeded; want an error", op)
		return nil
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Errorf("%s gives %T, want a *fault.Error: %v", op, err, err)
		return nil
	}
	if !slices.Contains(fault.Reasons(), f.Reason) {
		t.Errorf("%s: reason %q is not of the closed set", op, f.Reason)
	}
	if f.Op == "" || f.Object == "" {
		t.Errorf("%s: the error does not say what was tried on what: %v", op, err)
	}
	NoLeak(t, err, marker)
	return f
}

func canaryStaysHidden(t *testing.T, s *suite) {
	content := s.render(t, 2)
	if !strings.Contains(content.Reveal(), marker) {
		t.Fatal("the canary is not in the content: the test cannot fail")
	}
	s.write(t, 1)
	for _, harm := range s.waysToBreak() {
		undo := harm(t)
		for op, err := range s.callEverything(t.Context(), content) {
			if err != nil {
				wantFault(t, op, err)
				NoLeak(t, err, content.Reveal())
			}
		}
		undo()
	}
}

func (s *suite) waysToBreak() []func(*testing.T) func() {
	var out []func(*testing.T) func()
	if s.Break != nil {
		out = append(out, s.Break)
	}
	if s.Deny != nil {
		out = append(out, func(t *testing.T) func() { return s.Deny(t, s.target) })
	}
	return out
}

// NoLeak fails when err, or any error it wraps, shows value under any verb, as
// JSON, or encoded as hex, base64 or a JSON string.
func NoLeak(t testing.TB, err error, value string) {
	t.Helper()
	for _, e := range errorChain(err) {
		asJSON, _ := json.Marshal(e)
		shown := fmt.Sprintf("%v %+v %#v %q", e, e, e, e) + string(asJSON)
		for _, form := range formsOf(value) {
			if strings.Contains(shown, form) {
				t.Errorf("the value shows in an error of type %T", e)
				return
			}
		}
	}
}

func errorChain(err error) []error {
	if err == nil {
		return nil
	}
	out := []error{err}
	switch u := err.(type) { //nolint:errorlint // the chain itself is walked
	case interface{ Unwrap() error }:
		out = append(out, errorChain(u.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			out = append(out, errorChain(e)...)
		}
	}
	return out
}

func formsOf(value string) []string {
	quoted, _ := json.Marshal(value)
	return []string{
		value, strings.Trim(string(quoted), `"`), fmt.Sprintf("%x", value),
		base64.StdEncoding.EncodeToString([]byte(value)), fmt.Sprint([]byte(value)),
	}
}
