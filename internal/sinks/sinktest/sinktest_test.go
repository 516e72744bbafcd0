package sinktest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// store is the smallest thing that the suite can test.
type store struct {
	sinks.Apart
	mu     sync.Mutex
	values map[string]string
	broken bool
}

func (s *store) Render(r sinks.Record) (secret.Value, error) { return r.JSON(), nil }

func (s *store) Write(ctx context.Context, target string, v secret.Value, o sinks.WriteOptions) error {
	return s.with(ctx, "write", target, func() { s.values[target] = v.Reveal() })
}

func (s *store) Read(ctx context.Context, target string) (h sinks.Holding, err error) {
	err = s.with(ctx, "read", target, func() {
		v, exists := s.values[target]
		h = sinks.Holding{Known: true, Exists: exists, Content: secret.New(v)}
	})
	return h, err
}

func (s *store) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	return s.Read(ctx, target)
}

func (s *store) MaxContent() int { return 10_000 }

func (s *store) Refresh(context.Context) (bool, error) { return false, nil }

func (s *store) Close() error { return nil }

func (s *store) with(ctx context.Context, op, target string, f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fault.NoAnswer(op, target, err)
	}
	if s.broken {
		return fault.Newf(fault.Retry, fault.Unreachable, op, target, "down")
	}
	f()
	return nil
}

func (s *store) set(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

func TestTheSuitePassesASinkThatKeepsTheContract(t *testing.T) {
	s, n := &store{values: map[string]string{}}, 0
	Run(t, Harness{
		Open:   func(*testing.T) sinks.Sink { return s },
		Target: func(*testing.T) string { n++; return fmt.Sprint("target", n) },
		Peek: func(_ *testing.T, target string) (string, bool) {
			v, ok := s.values[target]
			return v, ok
		},
		Foreign: func(_ *testing.T, target string) { s.values[target] = "foreign" },
		Break:   func(*testing.T) func() { s.set(true); return func() { s.set(false) } },
	})
}

// failures counts what NoLeak says.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.n++ }

func TestNoLeakSeesEveryFormOfALeak(t *testing.T) {
	const value = `ab"<c`
	for name, shown := range map[string]string{
		"plain":  "refused " + value,
		"json":   `refused {"v":"ab\"\u003cc"}`,
		"hex":    fmt.Sprintf("refused %x", value),
		"base64": "refused " + base64.StdEncoding.EncodeToString([]byte(value)),
		"bytes":  fmt.Sprint([]byte(value)),
	} {
		for where, err := range map[string]error{
			"itself":  errors.New(shown),
			"wrapped": &fault.Error{Op: "write", Err: errors.New(shown)},
			"joined":  errors.Join(errors.New("harmless"), errors.New(shown)),
			"unsaid":  quiet{errors.New(shown)},
		} {
			f := &failures{}
			NoLeak(f, err, value)
			if f.n == 0 {
				t.Errorf("%s, %s: not seen", name, where)
			}
		}
	}
	f := &failures{}
	NoLeak(f, errors.New("harmless"), value)
	if f.n != 0 {
		t.Error("a harmless error is called a leak")
	}
}

// quiet hides what it wraps from its own text.
type quiet struct{ err error }

func (quiet) Error() string   { return "quiet" }
func (q quiet) Unwrap() error { return q.err }

func TestRecordsDifferAndCarryTheCanary(t *testing.T) {
	seen := map[string]bool{}
	for n := range 30 {
		r := Record(n)
		if !strings.Contains(r.Token.Reveal(), Canary) || seen[r.Token.Reveal()] || seen[r.RotationID] || len(r.RotationID) != 26 {
			t.Errorf("record %d: rotation id %q, token's canary or difference missing", n, r.RotationID)
		}
		seen[r.Token.Reveal()], seen[r.RotationID] = true, true
	}
}
