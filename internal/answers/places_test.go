package answers

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

func ask(ctx context.Context, h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody))
	return w
}

// counted answers with how often it was asked, once it may.
type counted struct {
	n   atomic.Int32
	may chan struct{}
}

func (c *counted) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	n := c.n.Add(1)
	if c.may != nil {
		<-c.may
	}
	w.Header().Set("X-Kind", "counted")
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprint(w, n)
}

func oneKey(*http.Request) string { return "" }

func TestAllWhoAskBeforeAnAnswerIsBegunShareItAndNobodyAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{may: make(chan struct{})}
		h := NewPlaces(4, DefaultPace()).Shared(c, oneKey)
		var all sync.WaitGroup
		got := make([]string, 11)
		asks := func(i int) { all.Go(func() { got[i] = ask(t.Context(), h).Body.String() }) }
		asks(0)
		synctest.Wait() // its answer is in the making
		for i := range 10 {
			asks(1 + i)
		}
		synctest.Wait()
		close(c.may)
		all.Wait()
		if want := "1" + strings.Repeat("2", 10); strings.Join(got, "") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	})
}

func TestWhoeverCameFirstMakesTheAnswerForTheOthersThoughHeGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := NewPlaces(1, DefaultPace()), &counted{}
		leave, err := p.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h := p.Shared(c, oneKey)
		ctx, cancel := context.WithCancel(t.Context())
		go ask(ctx, h)
		synctest.Wait()
		var second *httptest.ResponseRecorder
		go func() { second = ask(t.Context(), h) }()
		synctest.Wait()
		cancel()
		leave()
		synctest.Wait()
		if second == nil || second.Body.String() != "1" || second.Code != http.StatusAccepted || second.Header().Get("X-Kind") == "" {
			t.Errorf("got %+v", second)
		}
		if again := ask(t.Context(), h); again.Body.String() != "2" {
			t.Errorf("the place is not free again: %d %s", again.Code, again.Body)
		}
	})
}

func TestAnAnswerThatPanicsIsNobodysAndKeepsNoPlace(t *testing.T) {
	fails := true
	h := NewPlaces(1, DefaultPace()).Shared(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if fails {
			panic("no")
		}
	}), oneKey)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		ask(t.Context(), h)
	}()
	fails = false
	if w := ask(t.Context(), h); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestWhoFindsNoPlaceInTimeIsToldToAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces(1, DefaultPace())
		leave, err := p.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		for name, h := range map[string]http.Handler{"each": p.Each(&counted{}), "shared": p.Shared(&counted{}, oneKey)} {
			began := time.Now()
			w := ask(t.Context(), h)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || time.Since(began) != DefaultPace().Wait {
				t.Errorf("%s: %d after %v", name, w.Code, time.Since(began))
			}
		}
	})
}

func TestAPlaceIsTakenFromWhoDoesNotRead(t *testing.T) {
	big := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 32<<20)) })
	for name, pace := range map[string]Pace{
		"nothing of it in time":      {Piece: 50 * time.Millisecond, Pressed: time.Hour, Whole: time.Hour, Wait: time.Minute},
		"not the whole in time":      {Piece: time.Hour, Pressed: time.Hour, Whole: 100 * time.Millisecond, Wait: time.Minute},
		"while another waits for it": {Piece: 100 * time.Millisecond, Pressed: 0, Whole: time.Hour, Wait: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(NewPlaces(1, pace).Each(big))
			defer s.Close()
			harness.OpenUnread(t, s.Listener.Addr().String(), "/")
			resp, err := http.Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("got %s", resp.Status)
			}
		})
	}
}
