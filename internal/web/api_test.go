package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/fault"
)

func TestRoutesOfTheAdminSocket(t *testing.T) {
	for _, tt := range []struct {
		method, target, body string
		status               int
		asked                string // what the daemon was asked last
		contains             string
	}{
		{"GET", "/", "", 200, "", "<html"},
		{"HEAD", "/", "", 200, "", ""},
		{"GET", "/slots/live/subscribe", "", 200, "history live subscribe", "<h1>"},
		{"GET", "/slots/none/subscribe", "", 404, "", "no slot none/subscribe"},
		{"GET", "/metrics", "", 200, "", "metrics"},
		{"GET", "/-/healthy", "", 200, "", "healthy"},
		{"GET", "/-/ready", "", 200, "", "ready"},
		{"POST", "/-/reload", "", 200, "reload", "sink vault: no ca_file"},
		{"GET", "/-/reload", "", 405, "", `"error"`},
		{"GET", "/api/v1/slots", "", 200, "", `"slot":"live/subscribe"`},
		{"HEAD", "/api/v1/slots", "", 200, "", ""},
		{"POST", "/api/v1/slots", "", 405, "", `"error"`},
		{"GET", "/api/v1/slots/live/subscribe", "", 200, "", `"relay": "live"`},
		{"GET", "/api/v1/slots/live/nonsense", "", 404, "", `"error": "there is no slot live/nonsense`},
		{"POST", "/api/v1/slots/live/subscribe/rotate", "", 202, "rotate live subscribe by admin socket ", `"relay": "live"`},
		{"POST", "/api/v1/slots/live/subscribe/rotate", `{}`, 202, "rotate live subscribe by admin socket ", ""},
		{"POST", "/api/v1/slots/live/subscribe/rotate", `{"compromised":true}`, 202, "rotate live subscribe by admin socket compromised", ""},
		{"POST", "/api/v1/slots/none/subscribe/rotate", "", 404, "", "no slot none"},
		{"GET", "/api/v1/slots/live/subscribe/rotate", "", 405, "", `"error"`},
		{"GET", "/api/v1/history", "", 200, "history  ", `"events": []`},
		{"GET", "/api/v1/history?slot=live/subscribe&limit=3", "", 200, "history live subscribe", ""},
		{"GET", "/api/v1/history?slot=live", "", 200, "history live ", ""},
		{"GET", "/api/v1/history?slot=/subscribe", "", 400, "", "names no relay"},
		{"GET", "/api/v1/history?limit=0", "", 400, "", "limit"},
		{"GET", "/api/v1/history?limit=1000", "", 200, "history  ", ""},
		{"GET", "/api/v1/history?limit=1001", "", 400, "", "limit"},
		{"GET", "/api/v1/history?limit=many", "", 400, "", "limit"},
		{"GET", "/api/v1/tokens/live", "", 200, "tokens live", `"token_id": "t1"`},
		{"POST", "/api/v1/tokens/live/prune", `{"dry_run":true}`, 200, "prune live dry", `"tokens": []`},
		{"GET", "/api/v1/plan", "", 200, "plan 168h0m0s", `"runs"`},
		{"GET", "/api/v1/plan?for=24h", "", 200, "plan 24h0m0s", `"runs"`},
		{"GET", "/api/v1/plan?for=-1h", "", 400, "", "duration"},
		{"GET", "/api/v1/plan?for=999999h", "", 400, "", "duration"},
		{"GET", "/api/v1/nothing", "", 404, "", `"error": "there is nothing`},
		{"GET", "/nothing", "", 404, "", "there is nothing"},
		{"DELETE", "/api/v1/slots/live/subscribe", "", 405, "", "DELETE"},
		{"GET", "/debug/pprof/", "", 200, "", "goroutine"},
	} {
		t.Run(tt.method+" "+tt.target+" "+tt.body, func(t *testing.T) {
			d := newDaemon()
			w := ask(New(options(d)).adminHandler(), tt.method, tt.target, tt.body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.contains) {
				t.Errorf("got %d %s, want %d with %q", w.Code, w.Body, tt.status, tt.contains)
			}
			if tt.asked != d.lastAsked() {
				t.Errorf("the daemon was asked %q, want %q", d.lastAsked(), tt.asked)
			}
			if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

func TestBodiesThatAreNotWhatIsExpectedAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"malformed":    {`{"compromised":`, 400},
		"unknown key":  {`{"compromized":true}`, 400},
		"wrong type":   {`{"compromised":"yes"}`, 400},
		"no object":    {`[]`, 400},
		"two objects":  {`{} {}`, 400},
		"trailing":     {`{}x`, 400},
		"oversized":    {`{"compromised":true}` + strings.Repeat(" ", 64<<10), 413},
		"space around": {" {} \n", 202},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDaemon()
			w := ask(New(options(d)).adminHandler(), "POST", "/api/v1/slots/live/subscribe/rotate", tt.body)
			if w.Code != tt.status {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, tt.status)
			}
			if refused := d.lastAsked() == ""; refused != (tt.status != 202) {
				t.Errorf("the daemon was asked %q", d.lastAsked())
			}
		})
	}
}

func TestADaemonsErrorIsTextWithItsReasonsStatus(t *testing.T) {
	for reason, status := range map[fault.Reason]int{
		fault.NotFound: 404, fault.Invalid: 400, fault.Conflict: 409, fault.Full: 409, fault.Storage: 503,
		fault.Timeout: 504, fault.Forbidden: 502, fault.Unreachable: 502, fault.Internal: 500,
	} {
		d := newDaemon()
		d.err = fault.Newf(fault.Permanent, reason, "list tokens", "relay live", "code 1234").WithHint("do this")
		w := ask(New(options(d)).adminHandler(), "GET", "/api/v1/tokens/live", "")
		var p adminapi.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if w.Code != status || p.Error != "list tokens relay live: code 1234 (do this)" {
			t.Errorf("%s: %d %q, want %d", reason, w.Code, p.Error, status)
		}
	}
	d := newDaemon()
	d.err = errors.New("the file is broken")
	if w := ask(New(options(d)).adminHandler(), "POST", "/-/reload", ""); w.Code != 500 || !strings.Contains(w.Body.String(), "broken") {
		t.Errorf("reload: %d %s", w.Code, w.Body)
	}
}

func TestNotReadySaysWhyAndRecovers(t *testing.T) {
	d := newDaemon()
	d.ready = errors.New("the journal cannot be written: no space left on device")
	h := New(options(d)).adminHandler()
	w := ask(h, "GET", "/-/ready", "")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no space left") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := ask(h, "GET", "/", ""); !strings.Contains(w.Body.String(), "no space left") {
		t.Error("the page does not say it")
	}
	d.ready = nil
	if w := ask(h, "GET", "/-/ready", ""); w.Code != http.StatusOK {
		t.Errorf("still %d", w.Code)
	}
}

func TestTheSlotListIsWhatTheClientReads(t *testing.T) {
	_, socket := admin(t, newDaemon())
	c := adminapi.NewClient(socket)
	defer c.Close()
	slots, err := c.Slots(t.Context())
	if err != nil || len(slots) != 2 || slots[0].Slot != "live/subscribe" || slots[1].Slot != "edge/subscribe" {
		t.Errorf("got %+v, %v", slots, err)
	}
	if _, err := c.Slot(t.Context(), "none", "subscribe"); err == nil || err.Error() != noSlot("none", "subscribe") {
		t.Errorf("got %v", err)
	}
}

func TestNotesOfTheInstallationAreInTheListAndOnEveryPage(t *testing.T) {
	d := newDaemon()
	d.notes = []string{"the clock is <3 h> ahead", "a token ends"}
	_, socket := admin(t, d)
	c := adminapi.NewClient(socket)
	defer c.Close()
	if all, err := c.Status(t.Context()); err != nil || len(all.Slots) != 2 || !slices.Equal(all.Notes, d.notes) {
		t.Errorf("got %+v, %v", all, err)
	}
	for _, path := range []string{"/", "/slots/live/subscribe"} {
		page := ask(New(options(d)).adminHandler(), "GET", path, "").Body.String()
		for _, note := range []string{"the clock is &lt;3 h&gt; ahead", "a token ends"} {
			if !strings.Contains(page, note) {
				t.Errorf("%s does not say %q", path, note)
			}
		}
	}
}

func TestTheListSaysFirstWhyTheDaemonIsNotReady(t *testing.T) {
	d := newDaemon()
	d.notes, d.ready = []string{"a token ends"}, errors.New("the disk is full")
	_, socket := admin(t, d)
	c := adminapi.NewClient(socket)
	defer c.Close()
	all, err := c.Status(t.Context())
	if want := []string{"not ready: the disk is full", "a token ends"}; err != nil || !slices.Equal(all.Notes, want) {
		t.Errorf("got %q, %v", all.Notes, err)
	}
}

func TestAnEmptyFleetIsAnEmptyList(t *testing.T) {
	w := ask(New(options(&fakeDaemon{})).adminHandler(), "GET", "/api/v1/slots", "")
	var list adminapi.SlotList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || list.Slots == nil {
		t.Errorf("%s: %v", w.Body, err)
	}
}

func TestAReloadGoesOnWhenWhoAskedForItHangsUp(t *testing.T) {
	d := newDaemon()
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequest(http.MethodPost, "/-/reload", http.NoBody).WithContext(ctx)
	New(options(d)).adminHandler().ServeHTTP(httptest.NewRecorder(), r)
	if d.lastAsked() != "reload" {
		t.Errorf("the daemon was asked %q", d.lastAsked())
	}
}
