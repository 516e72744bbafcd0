package metrics

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/answers"
	"github.com/rotatord/rotatord/test/harness"
)

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestEightySlowReadersOfALargeFleetsMetricsHoldFewAnswersAndNobodyUp(t *testing.T) {
	const readers = 80
	m := New(Options{PerSlot: true})
	f, slots := bigFleet(5000)
	m.Configure(slots, sinkRefs(), []string{"main"})
	m.Watch(f)
	pace := answers.DefaultPace()
	pace.Pressed, pace.Piece, pace.Wait = 0, 200*time.Millisecond, time.Minute
	s := httptest.NewServer(m.handler(pace))
	defer s.Close()
	whole := func() int64 {
		resp, err := http.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s, cut short: %v", resp.Status, err)
		}
		return n
	}
	size, before := whole(), heap()
	if size < 5<<20 {
		t.Fatalf("an answer has %d bytes: too few to show anything", size)
	}
	for i := range readers {
		if addr := s.Listener.Addr().String(); i < maxScrapes { // each has an answer of its own
			harness.OpenUnread(t, addr, "/metrics")
		} else {
			harness.SendUnread(t, addr, "/metrics")
		}
	}
	held := heap() - before
	if most := (maxScrapes + 2) * size; held > most { // one is in the making, with its families
		t.Errorf("%d slow readers hold %d MB, with answers of %d MB", readers, held>>20, size>>20)
	}
	if n := whole(); n < size*9/10 {
		t.Errorf("who reads behind them gets %d bytes of %d", n, size)
	}
}

func TestAScrapeHasFewFormsWhateverIsAskedFor(t *testing.T) {
	h := newMetrics(t, true).handler(answers.DefaultPace())
	const text, open = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
		"application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
	for _, tt := range []struct{ accept, coding, wantType, wantCoding string }{
		{"", "", text, ""},
		{"nonsense/x, text/plain;q=0.1", "br, gzip;q=0", text, ""},
		{"*/*", "br, gzip;q=0.5", text, "gzip"},
		{"", "GZIP", text, "gzip"},
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.9,text/plain;q=0.1", "deflate", open, ""},
		{"application/openmetrics-text;version=1.0.0", "identity;q=0.1, gzip", open, "gzip"},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "",
			"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores", ""},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept", tt.accept)
		r.Header.Set("Accept-Encoding", tt.coding)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header(); got.Get("Content-Type") != tt.wantType || got.Get("Content-Encoding") != tt.wantCoding {
			t.Errorf("%s, %s: %s, %s", tt.accept, tt.coding, got.Get("Content-Type"), got.Get("Content-Encoding"))
		}
	}
}
