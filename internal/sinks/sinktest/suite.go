package sinktest

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Run runs the whole suite against h.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, *suite)
	}{
		{"render is pure and carries the token", renderIsPure},
		{"a written value is what is read and what a consumer sees", writeThenRead},
		{"writing the same again changes nothing", rewriteIsIdempotent},
		{"a new value replaces the old one", newValueReplaces},
		{"an earlier value can be written back", earlierValueReturns},
		{"a repeat repairs what somebody else changed", repeatRepairs},
		{"the largest content is kept, and a larger one refused", largestContent},
		{"an absent target is no error", absentTarget},
		{"what others wrote is seen as there", foreignIsSeen},
		{"a probe has no side effects", probeHasNoSideEffects},
		{"a trial has no side effects that a consumer sees", trialHasNoSideEffects},
		{"a probe without reading may know less but never errs for it", probeWithoutReading},
		{"a denied write is a classed error and is predicted", testDenial},
		{"a broken store is a passing error", brokenStore},
		{"a cancelled call returns at once and changes nothing", testCancellation},
		{"a call ends with its deadline", testDeadline},
		{"reading again what lies on disk leaves what works", testRefresh},
		{"what is half written on disk leaves what was read before", halfWritten},
		{"different targets can be written at once", concurrentTargets},
		{"one target written at once holds one whole value", concurrentWrites},
		{"no error shows the value", canaryStaysHidden},
		{"no redirect takes anything elsewhere", redirectsAreRefused},
		{"an answer is bounded in size and time", answersAreBounded},
		{"no error shows what the store repeats", echoStaysHidden},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t, h)) })
	}
}

// suite is one open sink and a fresh target.
type suite struct {
	Harness
	sink   sinks.Sink
	target string
}

func open(t *testing.T, h Harness) *suite {
	t.Helper()
	s := sinks.Decorate("sink", "tested", h.Open(t), 0, nil) // as rotatord has it
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return &suite{Harness: h, sink: s, target: h.Target(t)}
}

func renderIsPure(t *testing.T, s *suite) {
	first, again := s.render(t, 1), s.render(t, 1)
	if !first.Equal(again) {
		t.Error("two renderings of one record differ")
	}
	if first.Equal(s.render(t, 2)) {
		t.Error("renderings of two records are the same: the token is not in them")
	}
}

func writeThenRead(t *testing.T, s *suite) {
	content := s.write(t, 1)
	s.mustHold(t, content)
}

func rewriteIsIdempotent(t *testing.T, s *suite) {
	content := s.write(t, 1)
	before := s.versionCount(t)
	s.write(t, 1)
	s.afterRestart(t).write(t, 1)
	s.mustHold(t, content)
	if after := s.versionCount(t); after != before {
		t.Errorf("versions after two repeats = %d, want %d", after, before)
	}
}

func newValueReplaces(t *testing.T, s *suite) {
	s.write(t, 1)
	s.mustHold(t, s.write(t, 2))
}

func earlierValueReturns(t *testing.T, s *suite) {
	s.write(t, 1)
	s.write(t, 2)
	s.mustHold(t, s.write(t, 1))
}

func repeatRepairs(t *testing.T, s *suite) {
	s.write(t, 1)
	s.Foreign(t, s.target)
	s.mustHold(t, s.write(t, 1))
}

// largestContent: what does not fit is told before a token is minted for it, as far as its length is known.
func largestContent(t *testing.T, s *suite) {
	most, large := s.sink.MaxContent(), Record(2)
	overhead := len(s.render(t, 2).Reveal()) - len(large.Token.Reveal())
	sized := func(n int) secret.Value {
		large.Token = secret.New(strings.Repeat("a", n-overhead))
		v, err := s.sink.Render(large)
		if err != nil || len(v.Reveal()) < n-20 || len(v.Reveal()) > n+20 {
			t.Fatalf("Render gives %d bytes, want about %d: %v", len(v.Reveal()), n, err)
		}
		return v
	}
	fits, over := sized(most-20), sized(most+21)
	if err := s.sink.Write(t.Context(), s.target, fits, sinks.WriteOptions{RotationID: large.RotationID}); err != nil {
		t.Fatalf("Write of %d bytes, where %d are the most: %v", len(fits.Reveal()), most, err)
	}
	err := s.sink.Write(t.Context(), s.target, over, sinks.WriteOptions{RotationID: large.RotationID})
	_, early := s.sink.Probe(t.Context(), s.target, sinks.ProbeOptions{Read: true, Trial: over})
	for op, err := range map[string]error{"Write": err, "Probe": early} {
		f := wantFault(t, op, err)
		if f != nil && (f.Class != fault.Permanent || f.Reason != fault.Invalid || !strings.Contains(f.Error(), strconv.Itoa(most)) || f.Hint == "") {
			t.Errorf("%s of a content that is too large: %v", op, f)
		}
	}
	h, err := s.sink.Probe(t.Context(), s.target, sinks.ProbeOptions{Read: true, Trial: over, Guessed: true})
	if err != nil || !strings.Contains(strings.Join(h.Warnings, "\n"), strconv.Itoa(most)) {
		t.Errorf("Probe, with a length that is a guess: %v, warnings %q", err, h.Warnings)
	}
	s.mustHold(t, fits)
}

func absentTarget(t *testing.T, s *suite) {
	got, err := s.sink.Read(t.Context(), s.target)
	s.wantAbsent(t, "Read", got, err)
	got, err = s.sink.Probe(t.Context(), s.target, sinks.ProbeOptions{Read: true})
	s.wantAbsent(t, "Probe", got, err)
}

func foreignIsSeen(t *testing.T, s *suite) {
	s.Foreign(t, s.target)
	content := s.render(t, 1)
	got, err := s.sink.Read(t.Context(), s.target)
	if err != nil || !got.Known || !got.Exists || got.Content.Equal(content) {
		t.Errorf("Read = known %t, exists %t, %v; want something foreign", got.Known, got.Exists, err)
	}
	got, err = s.sink.Probe(t.Context(), s.target, sinks.ProbeOptions{Read: true})
	if err != nil || !got.Known || !got.Exists || got.Content.Equal(content) {
		t.Errorf("Probe = known %t, exists %t, %v; want something foreign", got.Known, got.Exists, err)
	}
}

func probeHasNoSideEffects(t *testing.T, s *suite) {
	s.probeTarget(t)
	if _, exists := s.Peek(t, s.target); exists {
		t.Error("probing an absent target created it")
	}
	content := s.write(t, 1)
	before := s.versionCount(t)
	got := s.probeTarget(t)
	if !got.Exists || !got.Content.Equal(content) {
		t.Errorf("Probe does not give what the target holds (exists %t)", got.Exists)
	}
	s.mustHold(t, content)
	if after := s.versionCount(t); after != before {
		t.Errorf("versions after a probe = %d, want %d", after, before)
	}
}

func trialHasNoSideEffects(t *testing.T, s *suite) {
	trial := func() {
		t.Helper()
		got, err := s.sink.Probe(t.Context(), s.target, sinks.ProbeOptions{Read: true, Trial: s.render(t, 2)})
		if err != nil || got.Untried != "" && !s.ProbeBlind {
			t.Errorf("Probe with a trial leaves %q untried, %v", got.Untried, err)
		}
	}
	trial()
	if _, exists := s.Peek(t, s.target); exists {
		t.Error("trying an absent target created it")
	}
	content := s.write(t, 1)
	before := s.versionCount(t)
	trial()
	s.mustHold(t, content)
	if after := s.versionCount(t); after != before {
		t.Errorf("versions after a trial = %d, want %d", after, before)
	}
}

func probeWithoutReading(t *testing.T, s *suite) {
	content := s.write(t, 1)
	got, err := s.sink.Probe(t.Context(), s.target, sinks.ProbeOptions{Read: false})
	if err != nil {
		t.Fatalf("Probe: %v", err)
	}
	if got.Known && (!got.Exists || !got.Content.Equal(content)) {
		t.Error("Probe claims to know the content and is wrong")
	}
}

func testDenial(t *testing.T, s *suite) {
	if s.Deny == nil {
		return
	}
	old := s.write(t, 1)
	allow := s.Deny(t, s.target)
	wantFault(t, "Write", s.sink.Write(t.Context(), s.target, s.render(t, 2), sinks.WriteOptions{RotationID: Record(2).RotationID}))
	_, err := s.sink.Probe(t.Context(), s.target, sinks.ProbeOptions{Read: true})
	if !s.ProbeBlind {
		wantFault(t, "Probe", err)
	}
	allow()
	s.mustHold(t, old)
	s.mustHold(t, s.write(t, 2))
}

func brokenStore(t *testing.T, s *suite) {
	if s.Break == nil {
		return
	}
	old := s.write(t, 1)
	mend := s.Break(t)
	for op, err := range s.callEverything(t.Context(), s.render(t, 2)) {
		if f := wantFault(t, op, err); f != nil && f.Class == fault.Permanent {
			t.Errorf("%s on a broken store is permanent: %v", op, err)
		}
	}
	mend()
	s.mustHold(t, old)
	s.mustHold(t, s.write(t, 2))
}

func testCancellation(t *testing.T, s *suite) {
	old := s.write(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for op, err := range s.callEverything(ctx, s.render(t, 2)) {
		if f := wantFault(t, op, err); f != nil && f.Reason != fault.Canceled {
			t.Errorf("%s, cancelled: reason %s, want %s (%v)", op, f.Reason, fault.Canceled, err)
		}
	}
	s.mustHold(t, old)
}

func testDeadline(t *testing.T, s *suite) {
	if s.Hang == nil {
		return
	}
	content := s.write(t, 1)
	defer s.Hang(t)()
	for _, op := range s.allOperations(content) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		began := time.Now()
		f := wantFault(t, op.name, op.call(ctx))
		cancel()
		if f != nil && f.Reason != fault.Timeout {
			t.Errorf("%s past its deadline: reason %s, want %s", op.name, f.Reason, fault.Timeout)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s returned %s after its deadline", op.name, took)
		}
	}
}

// testRefresh calls no store: a broken one does not matter.
func testRefresh(t *testing.T, s *suite) {
	s.write(t, 1)
	mend := func() {}
	if s.Break != nil {
		mend = s.Break(t)
	}
	if changed, err := s.sink.Refresh(t.Context()); err != nil || changed {
		t.Errorf("Refresh of what did not change: changed %t, %v", changed, err)
	}
	mend()
	s.mustHold(t, s.write(t, 2))
}

func halfWritten(t *testing.T, s *suite) {
	if s.Spoil == nil {
		return
	}
	mend := s.Spoil(t)
	for range 2 {
		_, err := s.sink.Refresh(t.Context())
		wantFault(t, "Refresh", err)
		s.mustHold(t, s.write(t, 1))
	}
	mend()
	if _, err := s.sink.Refresh(t.Context()); err != nil {
		t.Errorf("Refresh of what is mended: %v", err)
	}
	s.mustHold(t, s.write(t, 2))
}

func (s *suite) callEverything(ctx context.Context, content secret.Value) map[string]error {
	out := map[string]error{}
	for _, op := range s.allOperations(content) {
		out[op.name] = op.call(ctx)
	}
	return out
}

type operation struct {
	name string
	call func(context.Context) error
}

// allOperations are every call that can fail; the write is of rotation 2.
func (s *suite) allOperations(content secret.Value) []operation {
	return []operation{
		{"Write", func(ctx context.Context) error {
			return s.sink.Write(ctx, s.target, content, sinks.WriteOptions{RotationID: Record(2).RotationID})
		}},
		{"Read", func(ctx context.Context) error { _, err := s.sink.Read(ctx, s.target); return err }},
		{"Probe", func(ctx context.Context) error {
			_, err := s.sink.Probe(ctx, s.target, sinks.ProbeOptions{Read: true})
			return err
		}},
	}
}
