package cfsim_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

const (
	account = "023e105f4ecef8ad9ca31a8372d0c353"
	relay   = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
	bearer  = "api-token"
	tokens  = "/accounts/" + account + "/moq/relays/" + relay + "/tokens"
)

func newSim(o cfsim.Options) *cfsim.Sim {
	s := cfsim.New(o)
	s.AddAccount(account, cfsim.Both)
	s.AddAPIToken(bearer, cfsim.Edit, account)
	s.AddRelay(account, relay, "live")
	return s
}

type answer struct {
	status int
	err    error
	body   string
	Result struct {
		Token   string
		Issuers []struct {
			Tokens []struct{ JTI, Secret string } `json:"cloudflare_tokens"`
		}
	}
	Errors []struct{ Code int }
}

func (a answer) code() int {
	if len(a.Errors) == 0 {
		return 0
	}
	return a.Errors[0].Code
}

// send makes one call in process.
func send(t *testing.T, s *cfsim.Sim, method, path, body string) (a answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, cfsim.BaseURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	res, err := s.Transport().RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	b, err := io.ReadAll(res.Body)
	_ = json.Unmarshal(b, &a)
	a.status, a.body, a.err = res.StatusCode, string(b), err
	return a
}

func rotate(t *testing.T, s *cfsim.Sim) answer {
	return send(t, s, "POST", tokens+"/rotate", `{"type":"subscribe"}`)
}

func create(t *testing.T, s *cfsim.Sim) answer {
	return send(t, s, "POST", tokens, `{"operations":["subscribe"]}`)
}

func TestErrorsOfMalformedCalls(t *testing.T) {
	tests := []struct {
		method, path, body string
		status, code       int
	}{
		{"POST", tokens, "{", 400, 21004},
		{"POST", tokens, "", 400, 21004},
		{"POST", tokens, `{"operations":["fly away"]}`, 400, 21010},
		{"POST", tokens, `{"operations":["subscribe","subscribe"]}`, 400, 21010},
		{"POST", tokens, `{"operations":"publish"}`, 400, 21010},
		{"POST", tokens, `{"operations":["subscribe"],"expires":"tomorrow"}`, 400, 21012},
		{"POST", tokens, `{"operations":["subscribe"],"expires":"2001-01-01T00:00:00Z"}`, 400, 21012},
		{"POST", tokens, `{"label":"` + strings.Repeat("x", 70_000) + `"}`, 413, 21001},
		{"POST", tokens + "/rotate", "{", 400, 21004},
		{"POST", tokens + "/rotate", `{"type":"publish"}`, 400, 21010},
		{"POST", strings.Replace(tokens, relay, "x", 1) + "/rotate", `{"type":"subscribe"}`, 400, 21003},
		{"GET", strings.Replace(tokens, relay, account, 1), "", 404, 21007},
		{"PUT", tokens, "", 405, 10405},
		{"POST", tokens + "/" + relay, "", 405, 10405},
		{"GET", "/zones", "", 404, 7003},
		{"GET", tokens + "/a/b", "", 404, 7003},
		{"GET", strings.Replace(tokens, account, relay, 1), "", 403, 10000},
	}
	for _, tt := range tests {
		a := send(t, newSim(cfsim.Options{}), tt.method, tt.path, tt.body)
		if a.status != tt.status || a.code() != tt.code || strings.Contains(a.body, `"success":true`) {
			t.Errorf("%s %.90s %.40s: got %d %s", tt.method, tt.path, tt.body, a.status, a.body)
		}
	}
}

func TestGenerationsAreOfferedAsTheAccountSays(t *testing.T) {
	for _, tt := range []struct {
		offers         cfsim.Generation
		rotate, create int
	}{{cfsim.Both, 200, 201}, {cfsim.Gen1, 200, 404}, {cfsim.Gen2, 405, 201}, {0, 404, 404}} {
		s := newSim(cfsim.Options{})
		s.AddAccount(account, tt.offers)
		if r, c := rotate(t, s), create(t, s); r.status != tt.rotate || c.status != tt.create {
			t.Errorf("offering %d: rotate %d, create %d", tt.offers, r.status, c.status)
		}
	}
}

func TestRotateReplacesTheStandardTokenOnly(t *testing.T) {
	s := newSim(cfsim.Options{Propagation: time.Hour})
	made := create(t, s).Result.Issuers[0].Tokens[0]
	before := s.Tokens(relay)
	value := rotate(t, s).Result.Token
	if s.Accepts(relay, before[1].Value) || !s.Accepts(relay, before[0].Value) || !s.Accepts(relay, made.Secret) || !s.Accepts(relay, value) {
		t.Error("rotate must replace the subscribe token, at once, and no other")
	}
	if n := len(s.Tokens(relay)); n != 3 || strings.Count(value, ".") != 2 {
		t.Errorf("the relay holds %d tokens, the new one is %q", n, value)
	}
	rotate(t, s)
	if s.Accepts(relay, value) {
		t.Error("the next rotation must replace the last one's token")
	}
}

func TestRevokedTokenIsRefusedAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(cfsim.Options{Propagation: 3 * time.Second})
		made := create(t, s).Result.Issuers[0].Tokens[0]
		if a := send(t, s, "DELETE", tokens+"/"+made.JTI, ""); a.status != 200 {
			t.Fatal(a)
		}
		if !s.Accepts(relay, made.Secret) {
			t.Error("relays notice a revocation within seconds, not at once")
		}
		<-time.After(3 * time.Second)
		if s.Accepts(relay, made.Secret) {
			t.Error("the revoked token is still accepted")
		}
	})
}

func TestANewTokenIsRefusedUntilRelaysKnowIt(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newSim(cfsim.Options{Now: func() time.Time { return now }, Unknown: func(string) time.Duration { return 2 * time.Second }})
	made := create(t, s).Result.Issuers[0].Tokens[0].Secret
	if rotated := rotate(t, s).Result.Token; !s.Accepts(relay, rotated) {
		t.Error("a token that was rotated in place is refused")
	}
	now = now.Add(2*time.Second - 1)
	if s.Accepts(relay, made) || !s.Unknown(relay, made) {
		t.Error("relays know a new token at once")
	}
	now = now.Add(1)
	if !s.Accepts(relay, made) || s.Unknown(relay, made) {
		t.Error("relays do not know the new token after its time")
	}
}

func TestTheLongestLifeOfATokenCanBeLowered(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newSim(cfsim.Options{Now: func() time.Time { return now }, MaxLife: time.Hour})
	if a := send(t, s, "POST", tokens, `{"operations":["subscribe"],"expires":"2026-01-01T01:00:01Z"}`); a.code() != 21012 {
		t.Errorf("a longer life is answered with %d %s", a.status, a.body)
	}
	made := create(t, s).Result.Issuers[0].Tokens[0].Secret
	if now = now.Add(time.Hour); s.Accepts(relay, made) {
		t.Error("a token without an expiry of its own lives longer")
	}
}

func TestAListThatLagsShowsWhatThereWas(t *testing.T) {
	now := time.Now()
	s := newSim(cfsim.Options{Now: func() time.Time { return now }, ListLag: 5 * time.Second})
	shown := func(jti string) bool { return strings.Contains(send(t, s, "GET", tokens, "").body, jti) }
	now = now.Add(time.Minute)
	jti := create(t, s).Result.Issuers[0].Tokens[0].JTI
	if shown(jti) {
		t.Error("a token is listed as soon as it is created")
	}
	now = now.Add(5 * time.Second)
	if !shown(jti) {
		t.Error("a token is not listed once the lag is over")
	}
	send(t, s, "DELETE", tokens+"/"+jti, "")
	if now = now.Add(4 * time.Second); !shown(jti) {
		t.Error("a revoked token is gone before the lag is over")
	}
	if now = now.Add(time.Second); shown(jti) {
		t.Error("a revoked token is listed after the lag")
	}
	if s.LagLists(0); !shown(create(t, s).Result.Issuers[0].Tokens[0].JTI) {
		t.Error("lists lag though they do not")
	}
}

func TestExpiredTokenIsRefusedAndTakesUpRoom(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newSim(cfsim.Options{Now: func() time.Time { return now }})
	made := send(t, s, "POST", tokens, `{"operations":["subscribe"],"expires":"2026-01-01T01:00:00Z"}`).Result.Issuers[0].Tokens[0]
	for range 7 {
		create(t, s)
	}
	now = now.Add(time.Hour)
	if a := create(t, s); s.Accepts(relay, made.Secret) || a.status != 409 || a.code() != 21009 {
		t.Errorf("the expired token is accepted, or made room: %d", a.status)
	}
	send(t, s, "DELETE", tokens+"/"+made.JTI, "")
	if a := create(t, s); a.status != 201 {
		t.Errorf("after deleting the expired one: %d", a.status)
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		fault   cfsim.Fault
		status  int // 0: no answer
		whole   bool
		carried bool
	}{
		{cfsim.Fault{}, 200, true, true},
		{cfsim.Fault{Kind: cfsim.Refused}, 0, false, false},
		{cfsim.Fault{Kind: cfsim.LostBefore}, 0, false, false},
		{cfsim.Fault{Kind: cfsim.LostAfter}, 0, false, true},
		{cfsim.Fault{Kind: cfsim.ErrorBefore}, 500, true, false},
		{cfsim.Fault{Kind: cfsim.ErrorAfter, Status: 503}, 503, true, true},
		{cfsim.Fault{Kind: cfsim.RateLimited}, 429, true, false},
		{cfsim.Fault{Kind: cfsim.Unsuccessful}, 200, true, false},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: "x"}, 200, true, true},
		{cfsim.Fault{Kind: cfsim.Instead, Status: 418, Body: "x"}, 418, true, false},
		{cfsim.Fault{Kind: cfsim.PageBefore}, 403, true, false},
		{cfsim.Fault{Kind: cfsim.PageAfter, Status: 451}, 451, true, true},
		{cfsim.Fault{Kind: cfsim.Truncated}, 200, false, true},
		{cfsim.Fault{Kind: cfsim.Slow, Delay: time.Minute}, 200, true, true},
	}
	for _, tt := range tests {
		t.Run(string(tt.fault.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSim(cfsim.Options{})
				old, begin := s.Tokens(relay)[1].Value, time.Now()
				s.Next(cfsim.Rotate, tt.fault)
				a := rotate(t, s)
				if a.status != tt.status || (a.err == nil) != tt.whole || s.Accepts(relay, old) == tt.carried {
					t.Errorf("got %d, %v; carried out: %t", a.status, a.err, !s.Accepts(relay, old))
				}
				if took := time.Since(begin); tt.fault.Kind != cfsim.LateCommit && took != tt.fault.Delay {
					t.Errorf("took %s", took)
				}
				if a := rotate(t, s); a.status != 200 {
					t.Errorf("the call after the script: %d", a.status)
				}
			})
		})
	}
}

func TestLateCommitHappensLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(cfsim.Options{})
		s.Next(cfsim.Rotate, cfsim.Fault{Kind: cfsim.LateCommit, Delay: time.Minute})
		if a := rotate(t, s); a.err == nil {
			t.Error("it was answered")
		}
		value := rotate(t, s).Result.Token
		<-time.After(time.Minute - 1)
		if !s.Accepts(relay, value) {
			t.Error("carried out too early")
		}
		<-time.After(1)
		if s.Accepts(relay, value) {
			t.Error("not carried out in time")
		}
	})
}

func TestRandomFaultsAreRepeatable(t *testing.T) {
	statuses := func(seed uint64) (list []int) {
		s := newSim(cfsim.Options{})
		s.Random(seed, cfsim.Chance{Fault: cfsim.Fault{Kind: cfsim.ErrorBefore}, P: 0.3}, cfsim.Chance{Fault: cfsim.Fault{Kind: cfsim.LostAfter}, P: 0.3})
		for range 200 {
			list = append(list, rotate(t, s).status)
		}
		s.Random(seed)
		if a := rotate(t, s); a.status != 200 {
			t.Errorf("after the end of chance: %d", a.status)
		}
		return list
	}
	a, b, c := statuses(1), statuses(1), statuses(2)
	count := map[int]int{}
	same := true
	for i := range a {
		if a[i] != b[i] {
			t.Fatal("the same seed gives another order")
		}
		same = same && a[i] == c[i]
		count[a[i]]++
	}
	if same || count[500] < 30 || count[0] < 20 || count[200] < 60 {
		t.Errorf("got %v", count)
	}
}

func TestGoingOverTheQuotaBlocksTheTokenForFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(cfsim.Options{})
		s.AddAPIToken("other", cfsim.Edit, account)
		s.SetQuota(bearer, 3, time.Minute)
		got := []int{rotate(t, s).status, rotate(t, s).status, rotate(t, s).status, rotate(t, s).status}
		if got[2] != 200 || got[3] != 429 {
			t.Errorf("got %v", got)
		}
		<-time.After(5*time.Minute - 1)
		if a := rotate(t, s); a.status != 429 {
			t.Errorf("still blocked, but %d", a.status)
		}
		<-time.After(1)
		if a := rotate(t, s); a.status != 200 {
			t.Errorf("no longer blocked, but %d", a.status)
		}
	})
}

func TestLogHoldsNoValue(t *testing.T) {
	s := newSim(cfsim.Options{})
	value := rotate(t, s).Result.Token
	made := create(t, s).Result.Issuers[0].Tokens[0]
	calls := s.Calls()
	if calls[1].Token != made.JTI || calls[0].Type != "subscribe" || calls[1].Status != 201 || s.Counts()[cfsim.Create] != 1 {
		t.Errorf("logged %+v", calls)
	}
	b, err := json.Marshal(calls)
	if err != nil || value == "" || made.Secret == "" || strings.Contains(string(b), value) || strings.Contains(string(b), made.Secret) {
		t.Error("the log holds a value, or there was none")
	}
}

func TestRealServerBreaksConnections(t *testing.T) {
	s := newSim(cfsim.Options{})
	server := httptest.NewServer(s)
	defer server.Close()
	for _, kind := range []cfsim.Kind{cfsim.LostAfter, cfsim.Truncated, cfsim.Refused} {
		s.Next(cfsim.Rotate, cfsim.Fault{Kind: kind})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+cfsim.BasePath+tokens+"/rotate", strings.NewReader(`{"type":"subscribe"}`))
		req.Header.Set("Authorization", "Bearer "+bearer)
		res, err := server.Client().Do(req)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: a whole answer came", kind)
		}
	}
}

func TestSimIsSafeForConcurrentUse(t *testing.T) {
	s := newSim(cfsim.Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				rotate(t, s)
				s.Accepts(relay, "x")
				s.Tokens(relay)
				s.Calls()
				s.Counts()
				s.Next(cfsim.List, cfsim.Fault{})
			}
		})
	}
	wg.Wait()
	if n := s.Counts()[cfsim.Rotate]; n != 160 {
		t.Errorf("%d calls", n)
	}
}

func TestCallerThatGivesUpGetsItsContextsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(cfsim.Options{Latency: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, cfsim.BaseURL+tokens, nil)
		if _, err := s.Transport().RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
