package cf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// seeds adds what Cloudflare answers, and what it had better not.
func seeds(f *testing.F) {
	const head = `{"success":true,"errors":[],"messages":[],"result":`
	const jti = `"jti":"00000000000000000000000000000001"`
	for _, body := range []string{
		"", "null", "[]", "{", "<html>", `{"success":true}`, `{"success":false}`, head + "null}", head + "{}}",
		head + `{"issuers":null}}`, head + `{"issuers":[]}}`, head + `{"issuers":[null,7,{"type":null}]}}`,
		head + `{"issuers":[{"type":"other","cloudflare_tokens":7},{"type":"cloudflare_jwt","issuer":"cloudflare","cloudflare_tokens":[` +
			`{` + jti + `,"operations":["subscribe"],"created":"2026-01-01T00:00:00Z","expires":"2027-01-01T00:00:00Z","label":"x","secret":"a.b.c"}]}]}}`,
		head + `{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[{` + jti + `,"operations":"subscribe","created":1e99,"expires":{},"secret":["x"]}]}]}}`,
		head + `{"token":"a.b.c","type":"subscribe"}}`, head + `{"token":7,"type":{}}}`, head + `[{"token":"x"}]}`,
		`{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"messages":[],"result":null}`,
		`{"success":false,"errors":[null,7,"x",{"code":"x","message":7},{"code":{}}]}`,
		`{"success":"true","errors":{}}`, head + strings.Repeat("[", 5000),
	} {
		seed(f, body)
	}
	for _, body := range foreign {
		seed(f, body)
	}
}

func seed(f *testing.F, body string) {
	for _, status := range []uint16{200, 201, 302, 403, 404, 408, 429, 451, 500} {
		f.Add(status-200, []byte(body))
	}
}

// answering is a client whose next call op gets this answer.
func answering(t *testing.T, op cfsim.Op, status int, body []byte) *cf.Client {
	sim := newSim(cfsim.Options{})
	sim.Next(op, cfsim.Fault{Kind: cfsim.Instead, Status: status, Body: string(body)})
	return newClient(t, sim.Transport())
}

// final makes any number a final HTTP status.
func final(n uint16) int { return 200 + int(n%400) }

// checkFault says what holds of every error, whatever the answer was.
func checkFault(t *testing.T, err error, status int, body []byte, mints bool) {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("not a *fault.Error: %v", err)
	}
	certain := status >= 400 && status < 500 && status != http.StatusRequestTimeout && saysNo(body)
	if mints && !certain && e.Class != fault.Ambiguous {
		t.Errorf("%d %q: a mint that may have been carried out is %s/%s: %v", status, body, e.Class, e.Reason, e)
	}
	if !certain && (e.Reason == fault.NotOffered || e.Reason == fault.NotFound || e.Reason == fault.Forbidden) {
		t.Errorf("%d %q is believed to say %s: %v", status, body, e.Reason, e)
	}
	if !mints && e.Class == fault.Ambiguous {
		t.Errorf("a harmless call is ambiguous: %v", e)
	}
	if utf8.RuneCountInString(e.Error()) > 1000 || strings.ContainsAny(e.Error(), "\n\r\x00\x1b") {
		t.Errorf("unfit to print: %q", e.Error())
	}
}

// saysNo reads the envelope by other means than the client: success is false, and an
// error has a code or a message.
func saysNo(body []byte) bool {
	var answer map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if !json.Valid(body) || d.Decode(&answer) != nil || answer["success"] != false {
		return false
	}
	list, _ := answer["errors"].([]any)
	return slices.ContainsFunc(list, func(e any) bool {
		fields, _ := e.(map[string]any)
		for key, v := range fields {
			if named := strings.EqualFold(key, "code") || strings.EqualFold(key, "message"); named && isTelling(v) {
				return true
			}
		}
		return false
	})
}

func isTelling(v any) bool {
	_, number := v.(json.Number)
	text, _ := v.(string)
	return number || text != ""
}

func FuzzCreateAnswer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n uint16, body []byte) {
		status := final(n)
		c := answering(t, cfsim.Create, status, body)
		made, err := c.Create(t.Context(), routine(), relayID, moq.NewToken{Operations: moq.Subscribe.Operations()})
		if err != nil {
			checkFault(t, err, status, body, true)
			return
		}
		if status >= 300 || !moq.IsID(made.ID) || made.Value.IsEmpty() || !made.HasOperations(moq.Subscribe.Operations()) {
			t.Errorf("status %d: believed %+v", status, made)
		}
	})
}

func FuzzListAnswer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n uint16, body []byte) {
		status := final(n)
		list, err := answering(t, cfsim.List, status, body).List(t.Context(), routine(), relayID)
		if err != nil {
			checkFault(t, err, status, body, false)
			return
		}
		for _, tok := range list.Tokens {
			if status >= 300 || !moq.IsID(tok.ID) || !tok.Value.IsEmpty() {
				t.Errorf("status %d: believed %+v", status, tok)
			}
		}
	})
}

func FuzzRotateAnswer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n uint16, body []byte) {
		status := final(n)
		value, err := answering(t, cfsim.Rotate, status, body).Rotate(t.Context(), routine(), relayID, moq.Subscribe)
		if err != nil {
			checkFault(t, err, status, body, true)
			return
		}
		if status >= 300 || value.IsEmpty() {
			t.Errorf("status %d: believed %q", status, body)
		}
	})
}

func FuzzRateLimitHeaders(f *testing.F) {
	for _, text := range []string{
		"", `"default";r=50;t=30`, `"default";q=1200;w=300`, `"default";r=0;t=0`, `"default";q=1;w=1`, "60", "-1", "99999999999999999999",
		"Wed, 21 Oct 2015 07:28:00 GMT", `;;;=,,"default"`, `"default";r=-1;t=x`, `"default";q=2147483647;w=1`,
	} {
		f.Add(text, text, text, 429)
		f.Add(text, `"default";q=1200;w=300`, "", 200)
	}
	f.Fuzz(func(t *testing.T, left, policy, retryAfter string, status int) {
		synctest.Test(t, func(t *testing.T) {
			b := cf.NewBudget(100, time.Minute, 1)
			b.Observe(http.Header{"Ratelimit": {left}, "Ratelimit-Policy": {policy}, "Retry-After": {retryAfter}}, status)
			begin := time.Now()
			if err := b.Acquire(t.Context(), moq.Priority{}); err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(begin); waited > 10*time.Minute {
				t.Errorf("waited %s", waited)
			}
			b.Release(true)
			if n := allowed(t, b, moq.Routine, time.Minute-1); n > 100 {
				t.Errorf("%d calls in one window", n)
			}
		})
	})
}
