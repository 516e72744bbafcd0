package sinks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// store answers logins and counts them, as Vault does with its user lockout.
type store struct {
	logins  *Logins
	right   string      // the secret that is let in
	silent  bool        // it does not answer
	tries   []time.Time // when it was asked
	run     int         // refusals without a success or 15 minutes without a refusal
	worst   int         // the longest such run
	refused time.Time   // the latest refusal
}

func newStore() *store { return &store{logins: NewLogins(), right: "right"} }

var (
	errTurnedDown = &fault.Error{Class: fault.Permanent, Reason: fault.Unauthorized, Op: "log in", Err: errors.New("invalid secret id"), Hint: "look"}
	errNoAnswer   = &fault.Error{Class: fault.Retry, Reason: fault.Timeout, Op: "log in", Err: errors.New("no answer")}
)

// show lets a sink show a secret to the store.
func (s *store) show(ctx context.Context, sink, shown string) error {
	return s.logins.Try(ctx, Login{
		Sink: sink, Credential: Credential{Account: "role", Digest: shown},
		Renewed: func() bool { return s.right == "renewed" },
		Enter:   func() (bool, error) { return s.enter(shown) },
	})
}

func (s *store) enter(shown string) (refused bool, err error) {
	now := time.Now()
	s.tries = append(s.tries, now)
	switch {
	case s.silent:
		return false, errNoAnswer
	case shown == s.right:
		s.run = 0
		return false, nil
	}
	if now.Sub(s.refused) > 15*time.Minute {
		s.run = 0
	}
	s.run, s.refused = s.run+1, now
	s.worst = max(s.worst, s.run)
	return true, errTurnedDown
}

// pass lets time pass in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// minutes lists when the store was asked, in minutes since start; folded: each minute once.
func (s *store) minutes(start time.Time, folded bool) string {
	var out []string
	for _, t := range s.tries {
		out = append(out, fmt.Sprint(t.Sub(start).Minutes()))
	}
	if folded {
		out = slices.Compact(out)
	}
	return strings.Join(out, " ")
}

func TestARefusedCredentialIsTriedSeldom(t *testing.T) {
	type act struct {
		at int // minute
		do func(ctx context.Context, s *store)
	}
	allow := func(_ context.Context, s *store) { s.logins.AllowOnce() }
	type script []act
	show := func(secret string) func(context.Context, *store) {
		return func(ctx context.Context, s *store) { _ = s.show(ctx, "other", secret) }
	}
	takes := func(secret string) func(context.Context, *store) {
		return func(_ context.Context, s *store) { s.right = secret }
	}
	falls := func(silent bool) func(context.Context, *store) {
		return func(_ context.Context, s *store) { s.silent = silent }
	}
	for _, c := range []struct {
		name     string
		acts     script
		want     string // minutes of the tries within an hour
		worst    int    // the longest run of refusals as the store counts them
		urgent   bool
		answered bool // other answers than refusals, which all sinks go for
	}{
		{name: "three times, and then with pauses in which the store's count ends", want: "0 5 10 26 42 58", worst: 3},
		{name: "every five minutes in a blackout", urgent: true, want: "0 5 10 15 20 25 30 35 40 45 50 55", worst: 12},
		{name: "once at once when a person asks", acts: script{{2, allow}}, want: "0 2 7 23 39 55", worst: 3},
		{name: "once at once when a person asks in the quiet time", acts: script{{12, allow}}, want: "0 5 10 12 28 44", worst: 4},
		{
			name: "not once more when a person asks for what would lock the account", worst: 4,
			acts: script{{1, allow}, {2, allow}, {3, allow}, {4, allow}, {6, allow}, {30, allow}}, want: "0 1 2 3 19 30 46",
		},
		{name: "at once when the secret is another one", acts: script{{11, show("new")}}, want: "0 5 10 11 27 43 59", worst: 4},
		{
			name: "as ever after it was let in meanwhile", acts: script{{3, takes("wrong")}, {7, takes("")}},
			answered: true, want: "0 5 6 7 12 17 33 49", worst: 3,
		},
		{
			name: "as soon as the store answers again", acts: script{{4, falls(true)}, {8, falls(false)}},
			answered: true, want: "0 5 6 7 8 13 29 45", worst: 3,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, start, ctx := newStore(), time.Now(), t.Context()
				if c.urgent {
					ctx = Urgent(ctx)
				}
				for minute := range 60 {
					for _, a := range c.acts {
						if a.at == minute {
							a.do(ctx, s)
						}
					}
					for sink := range 5 {
						_ = s.show(ctx, fmt.Sprint(sink), "wrong")
					}
					pass(time.Minute)
				}
				got := s.minutes(start, c.answered)
				if got != c.want || s.worst != c.worst {
					t.Errorf("tried at minutes %s, the longest run %d; want %s, %d", got, s.worst, c.want, c.worst)
				}
			})
		})
	}
}

func TestARememberedRefusalSaysSinceWhenAndUntilWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		first := fault.Of(s.show(t.Context(), "a", "wrong"))
		if first.Err != errTurnedDown.Err || first.After != loginPause {
			t.Errorf("the refusal itself: %v, after %s", first, first.After)
		}
		pass(time.Minute)
		f := fault.Of(s.show(t.Context(), "b", "wrong"))
		want := "log in: invalid secret id; this answer is remembered: refused once since 2000-01-01T00:00:00Z, tried again at 2000-01-01T00:05:00Z (look; "
		if !strings.HasPrefix(f.Error(), want) || !strings.Contains(f.Hint, "rotatord reload") {
			t.Errorf("got  %v\nwant %v…", f, want)
		}
		if f.Class != fault.Permanent || f.Reason != fault.Unauthorized || f.After != loginPause-time.Minute {
			t.Errorf("%s, %s, after %s", f.Class, f.Reason, f.After)
		}
	})
}

func TestSinksThatLogInAtOnceAreNotAllRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var wg sync.WaitGroup
		for sink := range 30 {
			wg.Go(func() {
				err := s.logins.Try(t.Context(), Login{
					Sink: fmt.Sprint(sink), Credential: Credential{Account: "role", Digest: "wrong"},
					Enter: func() (bool, error) { pass(time.Second); return s.enter("wrong") },
				})
				if fault.Of(err).Reason != fault.Unauthorized {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(s.tries) != 1 {
			t.Errorf("%d tries, want 1", len(s.tries))
		}
	})
}

func TestWhoGivesUpDoesNotWaitForAnothersLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, leave := NewLogins(), make(chan struct{})
		one := Login{Credential: Credential{Account: "role"}, Enter: func() (bool, error) { <-leave; return false, nil }}
		done := make(chan error, 1)
		go func() { done <- l.Try(t.Context(), one) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Try(ctx, one); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(leave)
		if err := <-done; err != nil || len(l.accounts) != 0 {
			t.Errorf("%v; %d accounts are kept", err, len(l.accounts))
		}
	})
}

func TestSinksWhoseSecretWasRenewedAreNamedOnce(t *testing.T) {
	s := newStore()
	for _, sink := range []string{"b", "a"} {
		_ = s.show(t.Context(), sink, "wrong")
	}
	if got := s.logins.Renewed(); len(got) != 0 {
		t.Errorf("%v before anything was renewed", got)
	}
	if got := s.logins.AllowOnce(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("AllowOnce: %v", got)
	}
	s.right = "renewed"
	if got := s.logins.Renewed(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Renewed: %v", got)
	}
	if got := s.logins.Renewed(); len(got) != 0 {
		t.Errorf("%v are named again", got)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		for i := range 2 * loginsKept {
			_ = s.show(t.Context(), "a", fmt.Sprint(i))
			pass(time.Second)
		}
		if n := len(s.logins.refused); n != loginsKept {
			t.Errorf("%d refusals are kept, want %d", n, loginsKept)
		}
		if s.logins.refused[Credential{"role", fmt.Sprint(2*loginsKept - 1)}] == nil {
			t.Error("the latest refusal was dropped")
		}
	})
}

func TestWithoutARegistryEveryLoginIsTried(t *testing.T) {
	s := &store{}
	for range 2 {
		if err := s.show(t.Context(), "a", "wrong"); !errors.Is(err, errTurnedDown.Err) {
			t.Error(err)
		}
	}
	if len(s.tries) != 2 {
		t.Errorf("%d tries", len(s.tries))
	}
}
