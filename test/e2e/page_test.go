package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// filter is an HTTP proxy on the way to Cloudflare. It carries every call out, and
// may answer it with a page of its own.
type filter struct {
	status  atomic.Int64  // of the page; 0: none
	methods atomic.Value  // those that it answers so
	pages   atomic.Uint32 // that were given
}

// behindFilter puts a filter between rotatord and Cloudflare.
func behindFilter(t *testing.T) (*world, *filter) {
	t.Helper()
	w := newWorld(t, 1)
	to, err := url.Parse("http://" + w.api.addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &filter{}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: f.turn,
	})
	t.Cleanup(proxy.Close)
	w.api.url = proxy.URL + cfsim.BasePath
	return w, f
}

// turn makes an answer a page.
func (f *filter) turn(r *http.Response) error {
	methods, _ := f.methods.Load().(string)
	status := int(f.status.Load())
	if status == 0 || !strings.Contains(methods, r.Request.Method) {
		return nil
	}
	f.pages.Add(1)
	_ = r.Body.Close()
	text := "<!DOCTYPE html><title>Blocked</title><h1>Your administrator has blocked this page</h1>"
	r.StatusCode, r.Status = status, http.StatusText(status)
	r.Header = http.Header{"Content-Type": {"text/html"}}
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return nil
}

// block answers calls of these methods with pages of the status; 0 ends it.
func (f *filter) block(status int, methods string) {
	f.methods.Store(methods)
	f.status.Store(int64(status))
}

// insist asks for a rotation n times, each time after the one before has failed.
func (d *daemon) insist(n int, f *filter) {
	d.t.Helper()
	for range n {
		before := f.pages.Load()
		d.rotatord("rotate", "--no-wait", "live").Expect(d.t, 0)
		d.until(func() error {
			if f.pages.Load() == before {
				return errors.New("no call was answered with a page")
			}
			return nil
		})
	}
}

// mostHeld is how many tokens of ours the relay held at once.
func (w *world) mostHeld() (most int) {
	held := map[string]bool{}
	for _, call := range w.sim.Calls() {
		switch {
		case call.Op == cfsim.Create && call.Token != "":
			held[call.Token] = true
		case call.Op == cfsim.Revoke:
			delete(held, call.Token)
		}
		most = max(most, len(held))
	}
	return most
}

// TestAProxyThatAnswersForCloudflare carries calls out and says that it did not.
func TestAProxyThatAnswersForCloudflare(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusUnavailableForLegalReasons} {
		for _, methods := range []string{"GET POST DELETE", "POST DELETE", "POST"} {
			t.Run(fmt.Sprintf("overlap: %d for %s", status, methods), func(t *testing.T) {
				t.Parallel()
				overlapBehindPages(t, status, methods)
			})
		}
		t.Run(fmt.Sprintf("in_place: %d for all", status), func(t *testing.T) {
			t.Parallel()
			inPlaceBehindPages(t, status)
		})
		t.Run(fmt.Sprintf("in_place: %d for the rotate call", status), func(t *testing.T) {
			t.Parallel()
			inPlaceUnanswered(t, status)
		})
	}
}

// overlapBehindPages: the lost attempt's token is the most that litters the relay.
func overlapBehindPages(t *testing.T, status int, methods string) {
	w, f := behindFilter(t)
	w.configure(settings{})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	f.block(status, methods)
	d.insist(8, f)
	d.failing("live/subscribe", fmt.Sprint(status), "is a proxy in between? check api_url")
	if most := d.mostHeld(); most > 2 {
		t.Errorf("%d tokens of ours at once, want the one that is served and one lost attempt's", most)
	}
	f.block(0, "")
	d.rotatord("rotate", "live").Expect(t, 0)
	d.served(0, "live/subscribe")
	// Where the wish behind the pages was met first, two are in their grace.
	if n, old := len(d.sim.Tokens(harness.RelayID(0))), len(d.slot("live/subscribe").OldTokens); n != 2+1+old || old > 2 {
		t.Errorf("the relay holds %d tokens, want two that came with it, %d in their grace, one served", n, old)
	}
}

const inPlaceByHand = "{schedule: manual, initial: schedule, strategy: in_place, sinks: [disk]}"

// inPlaceBehindPages: where nothing shows that calls reach Cloudflare, no rotation begins.
func inPlaceBehindPages(t *testing.T, status int) {
	w, f := behindFilter(t)
	w.configure(settings{Defaults: inPlaceByHand})
	f.block(status, "GET POST")
	d := w.start()
	d.insist(5, f)
	d.failing("live/subscribe", "get relay", fmt.Sprint(status), "is a proxy in between? check api_url")
	if s := d.slot("live/subscribe"); s.Failure.Stage != slot.StagePreflight || !s.BlackoutSince.IsZero() {
		t.Errorf("it fails in %s, with a blackout since %v", s.Failure.Stage, s.BlackoutSince)
	}
	if n := d.sim.Counts()[cfsim.Rotate]; n != 0 {
		t.Errorf("%d rotate calls were made", n)
	}
	f.block(0, "")
	d.rotatord("rotate", "live").Expect(t, 0)
	d.served(0, "live/subscribe")
}

// inPlaceUnanswered: a rotate call that was carried out behind a page is a known blackout.
func inPlaceUnanswered(t *testing.T, status int) {
	w, f := behindFilter(t)
	w.configure(settings{Defaults: inPlaceByHand})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	f.block(status, "POST")
	d.insist(3, f)
	lasts := func(want bool) {
		t.Helper()
		d.until(func() error {
			s, err := d.scrape()
			if err != nil {
				return err
			}
			if _, found, err := s.value("blackout_start_timestamp_seconds relay=live type=subscribe"); err != nil || found != want {
				return fmt.Errorf("a blackout is told: %t, %w", found, err)
			}
			return nil
		})
	}
	lasts(true)
	d.rotatord("status").Expect(t, 0, "BLACKOUT since", fmt.Sprint(status))
	f.block(0, "")
	d.served(0, "live/subscribe")
	lasts(false)
}
