package adminapi

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// daemon answers every request on a unix socket and says what it was asked.
func daemon(t *testing.T, status int, answer string) (c *Client, asked *string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	asked = new(string)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = strings.TrimSpace(r.Method + " " + r.RequestURI + " " + string(body))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	})}
	go func() { _ = s.Serve(l) }()
	c = NewClient(socket)
	t.Cleanup(func() { c.Close(); _ = s.Close() })
	return c, asked
}

func TestClientAsksForTheDocumentedRoutes(t *testing.T) {
	for _, tt := range []struct {
		want string
		call func(*Client) error
	}{
		{"GET /-/ready", func(c *Client) error { return c.Ready(t.Context()) }},
		{"GET /api/v1/slots", func(c *Client) error { _, err := c.Slots(t.Context()); return err }},
		{"GET /api/v1/slots/live/subscribe", func(c *Client) error { _, err := c.Slot(t.Context(), "live", "subscribe"); return err }},
		{"GET /api/v1/slots/a%2F..%3Fb/x", func(c *Client) error { _, err := c.Slot(t.Context(), "a/..?b", "x"); return err }},
		{`POST /api/v1/slots/live/subscribe/rotate {"compromised":true}`,
			func(c *Client) error { _, err := c.Rotate(t.Context(), "live", "subscribe", true); return err }},
		{"GET /api/v1/history?limit=5&slot=live%2Fsubscribe",
			func(c *Client) error { _, err := c.History(t.Context(), "live/subscribe", 5); return err }},
		{"GET /api/v1/tokens/live", func(c *Client) error { _, err := c.Tokens(t.Context(), "live"); return err }},
		{`POST /api/v1/tokens/live/prune {"dry_run":true}`,
			func(c *Client) error { _, err := c.Prune(t.Context(), "live", nil, true); return err }},
		{"POST /-/reload", func(c *Client) error { _, err := c.Reload(t.Context()); return err }},
		{"GET /api/v1/plan?for=168h0m0s", func(c *Client) error { _, err := c.Forecast(t.Context(), 168*time.Hour); return err }},
	} {
		c, asked := daemon(t, http.StatusOK, "{}")
		if err := tt.call(c); err != nil || *asked != tt.want {
			t.Errorf("asked %q (%v), want %q", *asked, err, tt.want)
		}
	}
}

func TestAnAnswerIsDecoded(t *testing.T) {
	c, _ := daemon(t, http.StatusOK, `{"slots":[{"slot":"live/subscribe","consecutive_failures":3}]}`)
	slots, err := c.Slots(t.Context())
	if err != nil || len(slots) != 1 || slots[0].Slot != "live/subscribe" || slots[0].ConsecutiveFailures != 3 {
		t.Errorf("got %+v, %v", slots, err)
	}
}

func TestTheDaemonsErrorComesThroughAsText(t *testing.T) {
	for answer, want := range map[string]string{
		`{"error":"no slot live/subscribe"}`: "no slot live/subscribe",
		"plain words\n":                      "plain words",
		"":                                   "the daemon answered 404 Not Found",
	} {
		c, _ := daemon(t, http.StatusNotFound, answer)
		_, err := c.Slot(t.Context(), "live", "subscribe")
		var e *Error
		if !errors.As(err, &e) || e.Status != http.StatusNotFound || err.Error() != want {
			t.Errorf("answer %q: error %v, want %q", answer, err, want)
		}
		if errors.Is(err, ErrNoDaemon) {
			t.Error("a daemon that answers is ErrNoDaemon")
		}
	}
}

func TestNobodyAtTheSocketIsErrNoDaemon(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	if _, err := NewClient(socket).Slots(t.Context()); !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), socket) {
		t.Errorf("absent socket: %v", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if _, err := NewClient(socket).Slots(t.Context()); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("dead socket: %v", err)
	}
}

func TestADaemonThatHangsUpIsNotErrNoDaemon(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
	}()
	if _, err := NewClient(socket).Slots(t.Context()); err == nil || errors.Is(err, ErrNoDaemon) {
		t.Errorf("got %v, want another error", err)
	}
}

func TestAnAnswerCutShortIsAnError(t *testing.T) {
	c, _ := daemon(t, http.StatusOK, `{"slots":[{`)
	if _, err := c.Slots(t.Context()); err == nil || !strings.Contains(err.Error(), "GET /api/v1/slots") {
		t.Errorf("got %v", err)
	}
}

func TestTypesSurviveJSON(t *testing.T) {
	in := Token{TokenID: "x", Operations: []string{"subscribe"}, Created: time.Unix(1, 0).UTC(), Owner: Former,
		ServedBy: []string{"disk"}, Prunable: true}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Token
	if err := json.Unmarshal(b, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%s became %+v, %v", b, out, err)
	}
}

// wireTypes are what a request or an answer is a whole of.
func wireTypes() []any {
	return []any{
		SlotList{}, slot.Status{}, RotateRequest{}, EventList{}, TokenList{}, PruneRequest{}, RunList{}, ReloadResult{}, Problem{},
	}
}

// walkTypes goes through all that is on the wire, to the bottom, each type once.
func walkTypes(visit func(typ reflect.Type)) {
	seen := map[reflect.Type]bool{reflect.TypeFor[time.Time](): true}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		visit(typ)
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(typ.Elem())
		case reflect.Struct:
			for f := range typ.Fields() {
				walk(f.Type)
			}
		}
	}
	for _, v := range wireTypes() {
		walk(reflect.TypeOf(v))
	}
}

func TestGoNamesAreTheJSONNames(t *testing.T) {
	older := map[string]string{"Event.Kind": "what", "Event.Stage": "step", "Failure.Stage": "step"} // words of the first version
	walkTypes(func(typ reflect.Type) {
		if typ.Kind() != reflect.Struct {
			return
		}
		for f := range typ.Fields() {
			where := typ.Name() + "." + f.Name
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if older[where] == name {
				delete(older, where)
				continue
			}
			if strings.ToLower(f.Name) != strings.ReplaceAll(name, "_", "") {
				t.Errorf("%s is %q in JSON", where, name)
			}
		}
	})
	if len(older) > 0 {
		t.Errorf("not met: %v", older)
	}
}

// There must be no place in the API for a value, sealed or not.
func TestNothingInTheAPICanHoldAValue(t *testing.T) {
	atTheBottom := false
	walkTypes(func(typ reflect.Type) {
		if typ == reflect.TypeFor[secret.Value]() || typ == reflect.TypeFor[[]byte]() {
			t.Errorf("there is a %v", typ)
		}
		atTheBottom = atTheBottom || typ == reflect.TypeFor[slot.TargetStatus]()
	})
	if !atTheBottom {
		t.Error("the walk did not come to the bottom")
	}
}
