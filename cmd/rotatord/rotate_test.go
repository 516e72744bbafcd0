package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestWhenARequestIsMet(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	asked := slot.Status{Requested: at}
	old := []slot.TokenStatus{{TokenID: "old", Created: at.Add(-time.Hour)}}
	matched := []slot.TokenStatus{{TokenID: "theirs", Created: at.Add(-time.Hour), TakenOver: true}}
	for name, c := range map[string]struct {
		s           slot.Status
		compromised bool
		want        bool
	}{
		"still asked for":                {slot.Status{Requested: at, LastRotation: at.Add(-time.Hour)}, false, false},
		"rotated before only":            {slot.Status{LastRotation: at.Add(-time.Hour)}, false, false},
		"rotated after":                  {slot.Status{LastRotation: at.Add(time.Second)}, false, true},
		"asked for again since":          {slot.Status{LastRotation: at.Add(time.Second), Requested: at.Add(2 * time.Second)}, false, true},
		"rotated, the old one in grace":  {slot.Status{LastRotation: at.Add(time.Second), OldTokens: old}, false, true},
		"compromised, the old one there": {slot.Status{LastRotation: at.Add(time.Second), OldTokens: old}, true, false},
		"compromised, the old one gone":  {slot.Status{LastRotation: at.Add(time.Second)}, true, true},
		"compromised, one taken over":    {slot.Status{LastRotation: at.Add(time.Second), OldTokens: matched}, true, true},
	} {
		s := followed{asked: asked, compromised: c.compromised}
		if got := s.isMet(c.s); got != c.want {
			t.Errorf("%s: met %v, want %v", name, got, c.want)
		}
	}
}

func TestWhatEndsTooEarlyIsSaidToBeVerifiedWhereItIs(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := &app{stdio: stdio{out: io.Discard}}
	for name, c := range map[string]struct {
		now  slot.Status
		want string
	}{
		"asked for yet": {slot.Status{Slot: "live/subscribe", Requested: at}, "live/subscribe: not verified in time (minting)"},
		"verified": {slot.Status{Slot: "live/subscribe", LastRotation: at.Add(time.Second), OldTokens: []slot.TokenStatus{{Created: at.Add(-time.Hour)}}},
			"live/subscribe: verified, but older tokens are not revoked in time (waiting until the old tokens are revoked)"},
	} {
		s := &followed{asked: slot.Status{Slot: "live/subscribe", Requested: at}, compromised: true}
		a.advance(s, c.now, at.Add(time.Hour))
		s.end(errTimeout)
		if got := s.err.Error(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Between two leaders nobody can be asked; what was asked for is in the journal.
func TestRotateGoesOnWaitingWhileNoReplicaLeads(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	daemon := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked <= 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"error":"no replica leads now; a led last"}`)
			return
		}
		_, _ = io.WriteString(w, `{"slot":"live/subscribe","last_rotation":"2026-03-01T12:00:05Z"}`)
	})}
	go func() { _ = daemon.Serve(l) }()
	client := adminapi.NewClient(socket)
	t.Cleanup(func() { client.Close(); _ = daemon.Close() })
	var out bytes.Buffer
	a := &app{stdio: stdio{out: &out}}
	s := &followed{asked: slot.Status{Slot: "live/subscribe", Relay: "live", Type: "subscribe", Requested: at}}
	for n, over := range []bool{false, false, true} {
		if err := a.followOnce(t.Context(), client, []*followed{s}); err != nil || s.over != over || s.err != nil {
			t.Errorf("look %d: %v, over: %t (%v)", n+1, err, s.over, s.err)
		}
	}
	if strings.Count(out.String(), "no replica leads now; a led last") != 1 || !strings.Contains(out.String(), "rotated and verified") {
		t.Errorf("it says:\n%s", out.String())
	}
}

func TestAttemptsThatFailAfterTheRequestCount(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := followed{asked: slot.Status{Requested: at, ConsecutiveFailures: 5}}
	for name, c := range map[string]struct {
		since, last time.Duration // from the request on
		count, want int
	}{
		"the last failed before":           {-time.Hour, -time.Second, 5, 0},
		"one more failed":                  {-time.Hour, time.Second, 6, 1},
		"two more failed":                  {-time.Hour, time.Second, 7, 2},
		"they failed before, and all anew": {time.Second, 2 * time.Second, 2, 2},
		"the count was cut short":          {-time.Hour, time.Second, 1, 1},
	} {
		f := &slot.Failure{Count: c.count, Since: at.Add(c.since), At: at.Add(c.last)}
		if got := s.failures(slot.Status{Failure: f}); got != c.want {
			t.Errorf("%s: %d failed, want %d", name, got, c.want)
		}
	}
	if got := s.failures(slot.Status{}); got != 0 {
		t.Errorf("nothing failed: %d", got)
	}
}

func TestARequestIsWaitedForNoLongerThanThereIsHope(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	failed := func(count int, next time.Duration, permanent bool) slot.Status {
		return slot.Status{NextAttempt: now.Add(next), Failure: &slot.Failure{
			Count: count, Since: now, At: now, Stage: slot.StageMint, Message: "no", Permanent: permanent,
		}}
	}
	waits := func(what slot.WaitsFor, until time.Duration) slot.Status {
		return slot.Status{WaitsFor: what, WaitsUntil: now.Add(until), Note: "it waits"}
	}
	for _, c := range []struct {
		name   string
		status slot.Status
		since  time.Duration // since when it waits
		want   string        // empty: it is waited for
	}{
		{"it failed once", failed(1, time.Second, false), 0, ""},
		{"twice", failed(2, time.Second, false), 0, "2 attempts failed, the last at step mint: no; rotatord goes on, next attempt in 1s"},
		{"for good", failed(1, time.Second, true), 0, "1 attempt failed, the last at step mint: no; rotatord goes on, next attempt in 1s"},
		{"and is tried too late", failed(1, time.Hour, false), 0, "not verified in time: 1 attempt failed"},
		{"a grace ends in time", waits(slot.WaitsForGrace, time.Minute), time.Minute, ""},
		{"a grace ends too late", waits(slot.WaitsForGrace, time.Hour), 2 * time.Second, "not verified in time: it waits; rotatord goes on then"},
		{"which may be over at once", waits(slot.WaitsForGrace, time.Hour), time.Second, ""},
		{"the budget is stopped for long", waits(slot.WaitsForBudget, time.Hour), 2 * time.Second, "not verified in time: it waits"},
		{"nobody knows for how long", slot.Status{WaitsFor: slot.WaitsForBudget}, time.Hour, ""},
		{"the relay is full", waits(slot.WaitsForRoom, time.Second), 2 * time.Second, "not verified in time: it waits"},
		{"it waits for nothing", slot.Status{}, time.Hour, ""},
	} {
		s := followed{asked: slot.Status{Requested: now.Add(-time.Minute)}, waits: now.Add(-c.since)}
		err := s.givenUp(c.status, now, now.Add(5*time.Minute))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
