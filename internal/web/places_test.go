package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/answers"
	"github.com/rotatord/rotatord/internal/slot"
)

// What is answered at a time: docs/configuration.md says so of lists.
const (
	pagesAtATime = 16
	listsAtATime = 4
	scansAtATime = 4
)

// slowDaemon has its first calls wait until they may go on.
type slowDaemon struct {
	*fakeDaemon
	mayGoOn             chan struct{}
	histories, scanning atomic.Int32
}

func newSlowDaemon() *slowDaemon {
	return &slowDaemon{fakeDaemon: newDaemon(), mayGoOn: make(chan struct{})}
}

func (d *slowDaemon) History(ctx context.Context, relay, typ string, limit int) ([]slot.Event, error) {
	if d.histories.Add(1) <= pagesAtATime {
		<-d.mayGoOn
	}
	return d.fakeDaemon.History(ctx, relay, typ, limit)
}

func (d *slowDaemon) Statuses(yield func(*slot.Status) bool) {
	d.scanning.Add(1)
	<-d.mayGoOn
	d.fakeDaemon.Statuses(yield)
}

// wantNoPlace demands that whoever asks for a path is told to ask again, after as long as a place is waited for.
func wantNoPlace(t *testing.T, h http.Handler, path string) {
	t.Helper()
	began := time.Now()
	w := ask(h, "GET", path, "")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || time.Since(began) != answers.DefaultPace().Wait {
		t.Errorf("%s: %d after %s", path, w.Code, time.Since(began))
	}
}

func TestPagesAndTheLikeShareTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newSlowDaemon()
		h := New(options(d)).adminHandler()
		for range pagesAtATime {
			go ask(h, "GET", "/api/v1/history", "")
		}
		synctest.Wait()
		for _, path := range []string{"/", "/slots/live/subscribe", "/api/v1/slots/live/subscribe", "/api/v1/history"} {
			wantNoPlace(t, h, path)
		}
		if status := ask(h, "GET", "/-/healthy", "").Code; status != http.StatusOK {
			t.Errorf("health is %d", status)
		}
		close(d.mayGoOn)
	})
}

// unread is the connection of somebody who does not read.
type unread struct {
	http.ResponseWriter
	mayGoOn chan struct{}
}

func (u unread) Write(p []byte) (int, error) {
	<-u.mayGoOn
	return len(p), nil
}

func TestFewListsOfAllSlotsWaitToBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, mayGoOn := New(options(newDaemon())).adminHandler(), make(chan struct{})
		for range listsAtATime {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/slots", http.NoBody)
			go h.ServeHTTP(unread{httptest.NewRecorder(), mayGoOn}, r)
			synctest.Wait() // it is written: who comes next gets one of his own
		}
		wantNoPlace(t, h, "/api/v1/slots")
		close(mayGoOn)
	})
}

func TestFewLookAtAllSlotsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newSlowDaemon()
		h := New(options(d)).adminHandler()
		for range 2 * scansAtATime {
			go ask(h, "GET", "/", "")
		}
		synctest.Wait()
		if n := d.scanning.Load(); n != scansAtATime {
			t.Errorf("%d look at all slots", n)
		}
		close(d.mayGoOn)
	})
}
