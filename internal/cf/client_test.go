package cf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

func TestCreatedTokenIsAcceptedListedAndRevoked(t *testing.T) {
	for _, strange := range []bool{false, true} {
		sim := newSim(cfsim.Options{Strange: strange})
		c := newClient(t, sim.Transport())
		expires := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
		made, err := c.Create(t.Context(), routine(), relayID, moq.NewToken{Operations: moq.PublishSubscribe.Operations(), Expires: expires, Label: "rotatord-x"})
		if err != nil {
			t.Fatal(err)
		}
		if !sim.Accepts(relayID, made.Value.Reveal()) {
			t.Error("the new token's value is not accepted")
		}
		if !made.Expires.Equal(expires) || made.Label != "rotatord-x" || !made.HasOperations(moq.PublishSubscribe.Operations()) || made.Created.IsZero() {
			t.Errorf("the new token is %+v", made)
		}
		list, err := c.List(t.Context(), routine(), relayID)
		if last := len(list.Tokens) - 1; err != nil || last != 2 || !list.Complete || list.Tokens[last].ID != made.ID ||
			list.Tokens[last].Label != made.Label || !list.Tokens[last].Value.IsEmpty() {
			t.Errorf("listed %+v, %v", list, err)
		}
		for range 2 { // revoking an unknown token succeeds
			if err := c.Revoke(t.Context(), routine(), relayID, made.ID); err != nil {
				t.Error(err)
			}
		}
		if sim.Accepts(relayID, made.Value.Reveal()) {
			t.Error("the revoked token is still accepted")
		}
	}
}

func TestCreateWithoutExpiryTakesCloudflaresDefault(t *testing.T) {
	sim := newSim(cfsim.Options{})
	made, err := newClient(t, sim.Transport()).Create(t.Context(), routine(), relayID, moq.NewToken{Operations: moq.Subscribe.Operations()})
	if err != nil || made.Expires.Sub(made.Created) != 365*24*time.Hour {
		t.Errorf("got %+v, %v", made, err)
	}
	if body := sim.Calls()[0].Body; strings.TrimSpace(body) != `{"operations":["subscribe"]}` {
		t.Errorf("sent %s", body)
	}
}

func TestRotateReplacesTheTokenAtOnce(t *testing.T) {
	for _, strange := range []bool{false, true} {
		sim := newSim(cfsim.Options{Strange: strange})
		old := sim.Tokens(relayID)
		value, err := newClient(t, sim.Transport()).Rotate(t.Context(), routine(), relayID, moq.Subscribe)
		if err != nil || !sim.Accepts(relayID, value.Reveal()) {
			t.Errorf("the new value is not accepted, or %v", err)
		}
		if !sim.Accepts(relayID, old[0].Value) || sim.Accepts(relayID, old[1].Value) {
			t.Error("the token of the other type must stay accepted, the old one not")
		}
	}
}

func TestRelayIsLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { lookUpRelay(t) })
}

func lookUpRelay(t *testing.T) {
	w := &watcher{}
	c := newClient(t, newSim(cfsim.Options{}).Transport(), func(o *cf.Options) { o.Observer = w })
	r, err := c.Relay(t.Context(), routine(), relayID)
	if err != nil || r.Name != "live-main" || r.Status != "connected" || r.Created.IsZero() {
		t.Errorf("got %+v, %v", r, err)
	}
	if got := w.seen(); got != "main relay 200 0s\nmain up true" {
		t.Errorf("observed %q", got)
	}
}

// TestOurRequestIsTheVendors: the module in test/cfsdk77 checks the vendor's
// client against the same file.
func TestOurRequestIsTheVendors(t *testing.T) {
	want, err := os.ReadFile("testdata/rotate_request.txt")
	if err != nil {
		t.Fatal(err)
	}
	sim := newSim(cfsim.Options{})
	if _, err := newClient(t, sim.Transport()).Rotate(t.Context(), routine(), relayID, moq.PublishSubscribe); err != nil {
		t.Fatal(err)
	}
	call := sim.Calls()[0]
	if got := call.Method + " " + call.Path + "\n" + call.Body + "\n"; got != string(want) {
		t.Errorf("sent\n%swant\n%s", got, want)
	}
}

func TestAnswersAreClassed(t *testing.T) {
	const envelope = `{"success":false,"errors":[{"code":%,"message":"said so"}],"messages":[],"result":null}`
	any4 := "create list revoke rotate"
	tests := []struct {
		status int
		code   string
		on     string
		class  fault.Class // of minting calls, when ambiguous; then others are Retry
		reason fault.Reason
		hint   string
	}{
		{401, "1000", any4, fault.Permanent, fault.Unauthorized, `"MoQ: Edit"`},
		{400, "6003", any4, fault.Permanent, fault.Unauthorized, "API token"},
		{403, "10000", any4, fault.Permanent, fault.Forbidden, `"MoQ: Edit"`},
		{403, "10000", any4, fault.Permanent, fault.Forbidden, "MoQ Write (2f912625599b434a8df3e4e02d64c7b4), of account scope"},
		{403, "10000", any4, fault.Permanent, fault.Forbidden, "where the dashboard does not list MoQ"},
		{403, "9109", any4, fault.Permanent, fault.Forbidden, `"MoQ: Edit" on this account, and check account_id)`},
		{404, "21007", any4, fault.Permanent, fault.NotFound, "relay's id"},
		{404, "7003", "create list", fault.Permanent, fault.NotOffered, "this account does not offer creating tokens (overlap); set `strategy: in_place`"},
		{404, "7003", "create list revoke", fault.Permanent, fault.NotOffered, "if overlap has worked before, check account_id and the API token"},
		{405, "10405", "create list", fault.Permanent, fault.NotOffered, "set `strategy: in_place`"},
		{404, "7000", "rotate", fault.Permanent, fault.NotOffered, "this account does not offer the rotate call; set `strategy: overlap`"},
		{405, "7001", "rotate", fault.Permanent, fault.NotOffered, "set `strategy: overlap`"},
		{409, "21009", any4, fault.Permanent, fault.Full, "10 tokens"},
		{409, "99999", any4, fault.Retry, fault.Conflict, ""},
		{429, "971", any4, fault.Retry, fault.RateLimited, "5m0s"},
		{400, "21003", any4, fault.Permanent, fault.Invalid, ""},
		{400, `"odd"`, any4, fault.Permanent, fault.Invalid, ""},
		{413, "21001", any4, fault.Permanent, fault.Invalid, ""},
		{418, "1e3", any4, fault.Permanent, fault.Invalid, ""},
		{302, "1", any4, fault.Ambiguous, fault.BadAnswer, "check api_url"},
		{408, "1", any4, fault.Ambiguous, fault.ServerError, ""},
		{500, "21006", any4, fault.Ambiguous, fault.ServerError, ""},
		{502, "21007", any4, fault.Ambiguous, fault.ServerError, ""},
		{599, "99", any4, fault.Ambiguous, fault.ServerError, ""},
		{200, "21006", any4, fault.Ambiguous, fault.BadAnswer, ""},
		{200, "21007", any4, fault.Ambiguous, fault.BadAnswer, ""}, // not "not done": that is a 4xx
		{204, "1", any4, fault.Ambiguous, fault.BadAnswer, ""},
	}
	for _, tt := range tests {
		for _, o := range operations {
			if !strings.Contains(tt.on, o.name) {
				continue
			}
			t.Run(http.StatusText(tt.status)+" "+tt.code+" on "+o.name, func(t *testing.T) {
				sim := newSim(cfsim.Options{})
				sim.Next(o.op, cfsim.Fault{Kind: cfsim.Instead, Status: tt.status, Body: strings.Replace(envelope, "%", tt.code, 1)})
				class := tt.class
				if class == fault.Ambiguous && !o.mints {
					class = fault.Retry
				}
				err := o.run(t, newClient(t, sim.Transport()))
				wantFault(t, err, class, tt.reason)
				wantText(t, err, o.name, relayID, "account main", strings.Trim(tt.code, `"`)+" said so", tt.hint)
			})
		}
	}
}

func TestErrorReadsWell(t *testing.T) {
	sim := newSim(cfsim.Options{})
	sim.AddAPIToken(apiToken, cfsim.Read, accountID)
	_, err := newClient(t, sim.Transport()).Create(t.Context(), routine(), relayID, moq.NewToken{Operations: moq.Subscribe.Operations()})
	want := `create token for relay a1b2c3d4e5f67890a1b2c3d4e5f67890 of account main: 403: 10000 Authentication error ` +
		`(give the account's API token the permission "MoQ: Edit" on this account, and check account_id; ` +
		`where the dashboard does not list MoQ, make the API token through the API, which takes the permission group by its id: ` +
		`MoQ Write (2f912625599b434a8df3e4e02d64c7b4), of account scope; MoQ Read (42fae5a23ce84d7a896ac12ef509dafa) can only list)`
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestSimulatedRefusals(t *testing.T) {
	tests := []struct {
		name   string
		set    func(*cfsim.Sim)
		on     string
		reason fault.Reason
	}{
		{"unknown API token", func(s *cfsim.Sim) { s.RemoveAPIToken(apiToken) }, "create list revoke rotate", fault.Unauthorized},
		{"read-only API token", func(s *cfsim.Sim) { s.AddAPIToken(apiToken, cfsim.Read, accountID) }, "create revoke rotate", fault.Forbidden},
		{"other account's API token", func(s *cfsim.Sim) { s.AddAPIToken(apiToken, cfsim.Edit) }, "create list revoke rotate", fault.Forbidden},
		{"no such relay", func(s *cfsim.Sim) { s.RemoveRelay(relayID) }, "create list revoke rotate", fault.NotFound},
		{"generation 1 only", func(s *cfsim.Sim) { s.AddAccount(accountID, cfsim.Gen1) }, "create list revoke", fault.NotOffered},
		{"generation 2 only", func(s *cfsim.Sim) { s.AddAccount(accountID, cfsim.Gen2) }, "rotate", fault.NotOffered},
		{"neither generation", func(s *cfsim.Sim) { s.AddAccount(accountID, 0) }, "rotate", fault.NotOffered},
	}
	for _, tt := range tests {
		for _, o := range operations {
			if strings.Contains(tt.on, o.name) {
				t.Run(tt.name+" on "+o.name, func(t *testing.T) {
					sim := newSim(cfsim.Options{})
					tt.set(sim)
					wantFault(t, o.run(t, newClient(t, sim.Transport())), fault.Permanent, tt.reason)
				})
			}
		}
	}
}

func TestEleventhTokenIsRefusedAsFull(t *testing.T) {
	c := newClient(t, newSim(cfsim.Options{}).Transport())
	for range 8 {
		if err := operations[0].run(t, c); err != nil {
			t.Fatal(err)
		}
	}
	err := operations[0].run(t, c)
	wantFault(t, err, fault.Permanent, fault.Full)
	wantText(t, err, "409: 21009")
}

func TestFailuresOnTheWay(t *testing.T) {
	tests := []struct {
		fault  cfsim.Fault
		unsure bool // Ambiguous for minting calls
		reason fault.Reason
	}{
		{cfsim.Fault{Kind: cfsim.Refused}, false, fault.Unreachable},
		{cfsim.Fault{Kind: cfsim.LostBefore}, true, fault.Unreachable},
		{cfsim.Fault{Kind: cfsim.LostAfter}, true, fault.Unreachable},
		{cfsim.Fault{Kind: cfsim.ErrorBefore}, true, fault.ServerError},
		{cfsim.Fault{Kind: cfsim.ErrorAfter, Status: 503}, true, fault.ServerError},
		{cfsim.Fault{Kind: cfsim.Truncated}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Unsuccessful}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Slow, Delay: time.Minute}, true, fault.Timeout},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: "<html>"}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: ""}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: "[]"}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: `{"result":{}}`}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: `{"success":true}` + strings.Repeat(" ", 1<<20)}, true, fault.BadAnswer},
	}
	for _, tt := range tests {
		for _, o := range operations {
			t.Run(string(tt.fault.Kind)+" on "+o.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sim := newSim(cfsim.Options{})
					sim.Next(o.op, tt.fault)
					class := fault.Retry
					if tt.unsure && o.mints {
						class = fault.Ambiguous
					}
					err := o.run(t, newClient(t, sim.Transport()))
					wantFault(t, err, class, tt.reason)
					wantText(t, err, relayID, "account main")
				})
			})
		}
	}
}

func TestNonsenseResultsAreNotBelieved(t *testing.T) {
	const jti, ps = `"jti":"00000000000000000000000000000001"`, `"operations":["publish","subscribe"]`
	wrap := func(tokens string) string {
		return `{"issuers":[{"type":"cloudflare_jwt","issuer":"cloudflare","cloudflare_tokens":` + tokens + `}]}`
	}
	tests := []struct{ on, result string }{
		{"create", `null`},
		{"create", `"x"`},
		{"create", `{"issuers":[]}`},
		{"create", wrap(`[]`)},
		{"create", wrap(`[{` + jti + `,"operations":["subscribe"]}]`)},
		{"create", wrap(`[{` + jti + `,"operations":["subscribe"],"secret":""}]`)},
		{"create", wrap(`[{"operations":["subscribe"],"secret":"v"}]`)},
		{"create", wrap(`[{"jti":"../../zones","operations":["subscribe"],"secret":"v"}]`)},
		{"create", wrap(`[{` + jti + `,` + ps + `,"secret":"v"}]`)},
		{"create", strings.Replace(wrap(`[{`+jti+`,"operations":["subscribe"],"secret":"v"}]`), "cloudflare_jwt", "other", 1)},
		{"create", wrap(`[{` + jti + `,"operations":["subscribe"],"secret":"v"},{` + jti + `,"operations":["subscribe"],"secret":"w"}]`)},
		{"list", `null`},
		{"list", `{}`},
		{"list", `{"issuers":7}`},
		{"list", `{"issuers":[{"type":"cloudflare_jwt"}]}`},
		{"list", wrap(`[{"jti":"x"}]`)},
		{"rotate", `null`},
		{"rotate", `{"token":""}`},
		{"rotate", `{"token":7}`},
		{"rotate", `{"token":"v","type":"publish_subscribe"}`},
	}
	for _, tt := range tests {
		for _, o := range operations {
			if tt.on != o.name {
				continue
			}
			sim := newSim(cfsim.Options{})
			sim.Next(o.op, cfsim.Fault{Kind: cfsim.Instead, Body: `{"success":true,"errors":[],"messages":[],"result":` + tt.result + `}`})
			class := fault.Retry
			if o.mints {
				class = fault.Ambiguous
			}
			wantFault(t, o.run(t, newClient(t, sim.Transport())), class, fault.BadAnswer)
		}
	}
}

func TestRelayWithoutTokensListsNone(t *testing.T) {
	for _, result := range []string{`{"issuers":[]}`, `{"issuers":null}`, `{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[]}]}`, `{"issuers":[{"type":"new","cloudflare_tokens":[{"jti":"x"}]}]}`} {
		sim := newSim(cfsim.Options{})
		sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.Instead, Body: `{"success":true,"result":` + result + `}`})
		if list, err := newClient(t, sim.Transport()).List(t.Context(), routine(), relayID); err != nil || len(list.Tokens) != 0 {
			t.Errorf("%s: got %v, %v", result, list, err)
		}
	}
}

func TestAListThatMayLeaveTokensOutIsNotComplete(t *testing.T) {
	ours := func(jtis ...string) string {
		list := make([]string, len(jtis))
		for i, jti := range jtis {
			list[i] = `{"jti":"` + jti + `"}`
		}
		return `{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[` + strings.Join(list, ",") + `]}]}`
	}
	for _, tt := range []struct {
		result, info string
		complete     bool
	}{
		{ours(tokenID), ``, true},
		{ours(), ``, true},
		{ours(tokenID), `,"result_info":{"count":1,"total_count":1}`, true},
		{ours(tokenID), `,"result_info":{"count":2}`, false},
		{ours(tokenID), `,"result_info":{"count":1,"total":2}`, false},
		{ours(tokenID), `,"result_info":{"count":1,"total_count":11}`, false},
		{ours(tokenID), `,"result_info":{"count":1,"total_pages":2}`, false},
		{ours(tokenID), `,"result_info":{"cursor":"more"}`, false},
		{ours(tokenID), `,"result_info":"nothing known"`, true},
		{`{"issuers":[]}`, ``, false},
		{`{"issuers":null}`, ``, false},
		{`{"issuers":[{"type":"customer_jwks","cloudflare_tokens":[]}]}`, ``, false},
	} {
		sim := newSim(cfsim.Options{})
		sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.Instead, Body: `{"success":true,"result":` + tt.result + tt.info + `}`})
		list, err := newClient(t, sim.Transport()).List(t.Context(), routine(), relayID)
		if err != nil || list.Complete != tt.complete {
			t.Errorf("%s%s: complete %t, %v", tt.result, tt.info, list.Complete, err)
		}
	}
}

func TestMalformedIDsNeverReachTheServer(t *testing.T) {
	sim := newSim(cfsim.Options{})
	c := newClient(t, sim.Transport())
	for _, id := range []string{"", "../../zones/x?", relayID + "/", strings.ToUpper(relayID), relayID + "\n"} {
		_, err := c.Create(t.Context(), routine(), id, moq.NewToken{Operations: moq.Subscribe.Operations()})
		wantFault(t, err, fault.Permanent, fault.Invalid)
		_, err = c.List(t.Context(), routine(), id)
		wantFault(t, err, fault.Permanent, fault.Invalid)
		_, err = c.Rotate(t.Context(), routine(), id, moq.Subscribe)
		wantFault(t, err, fault.Permanent, fault.Invalid)
		_, err = c.Relay(t.Context(), routine(), id)
		wantFault(t, err, fault.Permanent, fault.Invalid)
		wantFault(t, c.Revoke(t.Context(), routine(), id, tokenID), fault.Permanent, fault.Invalid)
		wantFault(t, c.Revoke(t.Context(), routine(), relayID, id), fault.Permanent, fault.Invalid)
	}
	_, err := c.Rotate(t.Context(), routine(), relayID, "publish")
	wantFault(t, err, fault.Permanent, fault.Invalid)
	for _, operations := range [][]string{nil, {"subscribe", ""}, {"Publish"}} {
		_, err = c.Create(t.Context(), routine(), relayID, moq.NewToken{Operations: operations})
		wantFault(t, err, fault.Permanent, fault.Invalid)
	}
	if calls := sim.Calls(); len(calls) != 0 {
		t.Errorf("the server was called: %v", calls)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	token := func() (secret.Value, error) { return secret.New(apiToken), nil }
	for _, o := range []cf.Options{
		{AccountID: "x", APIURL: cfsim.BaseURL, Token: token},
		{AccountID: accountID, APIURL: cfsim.BaseURL},
		{AccountID: accountID, Token: token},
		{AccountID: accountID, APIURL: "api.cloudflare.com", Token: token},
		{AccountID: accountID, APIURL: "ftp://api.cloudflare.com", Token: token},
		{AccountID: accountID, APIURL: cfsim.BaseURL + "?x=1", Token: token},
	} {
		_, err := cf.New(o)
		wantFault(t, err, fault.Permanent, fault.Invalid)
	}
}

func TestUnreadableAPITokenSendsNothingAndSpendsNothing(t *testing.T) {
	for name, token := range map[string]func() (secret.Value, error){
		"unreadable": func() (secret.Value, error) { return secret.Source{File: "/nonexistent/cf-token"}.Read(nil) },
		"empty":      func() (secret.Value, error) { return secret.Value{}, nil },
		"two lines":  func() (secret.Value, error) { return secret.New("one\ntwo"), nil },
	} {
		t.Run(name, func(t *testing.T) {
			sim, budget := newSim(cfsim.Options{}), cf.NewBudget(1, time.Hour, 1)
			bad := newClient(t, sim.Transport(), func(o *cf.Options) { o.Token, o.Budget = token, budget })
			for range 2 {
				err := operations[0].run(t, bad)
				wantFault(t, err, fault.Retry, fault.Unauthorized)
				if name == "unreadable" {
					wantText(t, err, "/nonexistent/cf-token")
				}
			}
			good := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget = budget })
			if err := operations[0].run(t, good); err != nil || len(sim.Calls()) != 1 {
				t.Errorf("%v after %d calls", err, len(sim.Calls()))
			}
		})
	}
}

// What net/http says of it (request canceled, a client's timeout) tells no person what happened.
func TestACallThatIsNeverAnsweredIsToldInOurWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(cfsim.Options{})
		sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.Slow, Delay: time.Hour})
		_, err := newClient(t, sim.Transport()).List(t.Context(), moq.Priority{}, relayID)
		wantFault(t, err, fault.Retry, fault.Timeout)
		wantText(t, err, "no answer from ", " within 30s")
		if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "net/http") || strings.Contains(err.Error(), "deadline") {
			t.Errorf("%v", err)
		}
	})
}

func TestContextThatEndsInTheQueueChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, budget := newSim(cfsim.Options{}), cf.NewBudget(1, time.Hour, 1)
		c := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget = budget })
		if err := operations[1].run(t, c); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Rotate(ctx, routine(), relayID, moq.Subscribe)
		wantFault(t, err, fault.Retry, fault.Timeout)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error("the context's error is lost")
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		_, err = c.Rotate(ctx, routine(), relayID, moq.Subscribe)
		wantFault(t, err, fault.Retry, fault.Canceled)
		if n := sim.Counts()[cfsim.Rotate]; n != 0 {
			t.Errorf("%d rotations", n)
		}
	})
}

func TestContextThatEndsInFlightLeavesAMintOpen(t *testing.T) {
	for _, o := range operations {
		synctest.Test(t, func(t *testing.T) {
			sim := newSim(cfsim.Options{Latency: time.Second})
			c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
				ctx, cancel := context.WithCancel(r.Context())
				time.AfterFunc(time.Millisecond, cancel)
				return sim.Transport().RoundTrip(r.WithContext(ctx))
			}))
			class := fault.Retry
			if o.mints {
				class = fault.Ambiguous
			}
			wantFault(t, o.run(t, c), class, fault.Canceled)
		})
	}
}

func TestAnswerIsKeptThoughTheContextEndedMeanwhile(t *testing.T) {
	sim := newSim(cfsim.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		defer cancel()
		return sim.Transport().RoundTrip(r)
	}))
	made, err := c.Create(ctx, routine(), relayID, moq.NewToken{Operations: moq.Subscribe.Operations()})
	if err != nil || !sim.Accepts(relayID, made.Value.Reveal()) {
		t.Errorf("the minted token was thrown away: %v", err)
	}
}

func TestTransportThatCannotBeTracedIsNeverCertain(t *testing.T) {
	c := newClient(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("odd") }))
	wantFault(t, operations[3].run(t, c), fault.Ambiguous, fault.Unreachable)
}

// Over real sockets: what never left is Retry, whatever the call.
func TestConnectionsThatWereNeverMade(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + listener.Addr().String()
	_ = listener.Close()
	untrusted := httptest.NewUnstartedServer(newSim(cfsim.Options{}))
	untrusted.Config.ErrorLog = zap.NewStdLog(zap.NewNop()) // it complains of our mistrust
	untrusted.StartTLS()
	defer untrusted.Close()
	nameless := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "cloudflare.invalid", IsNotFound: true}}
	}}
	for name, change := range map[string]func(*cf.Options){
		"refused":               func(o *cf.Options) { o.APIURL, o.HTTP = closed, nil },
		"untrusted certificate": func(o *cf.Options) { o.APIURL, o.HTTP = untrusted.URL, nil },
		"no such host":          func(o *cf.Options) { o.HTTP = &http.Client{Transport: nameless} },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, nil, change)
			for _, o := range operations {
				err := o.run(t, c)
				wantFault(t, err, fault.Retry, fault.Unreachable)
				wantText(t, err, "no answer from", "api_url")
			}
		})
	}
}

func TestRealServerThatBreaksTheConnection(t *testing.T) {
	sim := newSim(cfsim.Options{})
	server := httptest.NewServer(sim)
	defer server.Close()
	c := newClient(t, nil, func(o *cf.Options) { o.APIURL, o.HTTP = server.URL+cfsim.BasePath, nil })
	for _, kind := range []cfsim.Kind{cfsim.LostBefore, cfsim.LostAfter, cfsim.Truncated} {
		for _, o := range operations {
			if err := operations[1].run(t, c); err != nil { // warms a connection up
				t.Fatal(err)
			}
			sim.Next(o.op, cfsim.Fault{Kind: kind})
			err := o.run(t, c)
			if o.mints {
				if e := fault.Of(err); e == nil || e.Class != fault.Ambiguous {
					t.Errorf("%s on %s: %v", kind, o.name, err)
				}
			}
		}
	}
	for op, n := range sim.Counts() {
		if (op == cfsim.Create || op == cfsim.Rotate) && n != 3 {
			t.Errorf("%s was sent %d times, want 3", op, n)
		}
	}
}

func TestStaleConnectionThatCannotBeRenewedIsCertain(t *testing.T) {
	server := httptest.NewServer(newSim(cfsim.Options{}))
	c := newClient(t, nil, func(o *cf.Options) { o.APIURL, o.HTTP = server.URL+cfsim.BasePath, nil })
	if err := operations[1].run(t, c); err != nil {
		t.Fatal(err)
	}
	server.Close()
	var err error
	for range 2 { // the first may still meet the dying connection
		err = operations[3].run(t, c)
	}
	wantFault(t, err, fault.Retry, fault.Unreachable)
}

func TestNoRedirectIsFollowedAndTheErrorSaysWhereItPoints(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		followed := false
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		for _, hc := range []*http.Client{nil, {}} {
			c := newClient(t, nil, func(o *cf.Options) { o.APIURL, o.HTTP = server.URL, hc })
			for _, op := range operations {
				err := op.run(t, c)
				if e := fault.Of(err); e == nil || e.Reason != fault.BadAnswer || !strings.Contains(e.Error(), elsewhere.URL) {
					t.Errorf("%s, %d: %v, want a bad answer that names %s", op.name, status, err, elsewhere.URL)
				}
			}
		}
		server.Close()
		elsewhere.Close()
		if followed {
			t.Errorf("a %d was followed", status)
		}
	}
}

// Calls in vain use the pace up; those who waited for the outage's end go at once.
func TestAfterAnOutageCallsBeginWithABurst(t *testing.T) {
	for _, c := range []struct{ lasts, least, most time.Duration }{
		{150 * time.Second, 0, time.Second}, {5 * time.Second, 30 * time.Second, time.Minute}, // a hiccup changes nothing
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := newSim(cfsim.Options{})
			client := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget = cf.NewBudget(600, window, 1) })
			list := func() error { _, err := client.List(t.Context(), routine(), relayID); return err }
			for range 100 { // a burst
				_ = list()
			}
			sim.Random(1, cfsim.Chance{Fault: cfsim.Fault{Kind: cfsim.ErrorBefore, Status: 503}, P: 1})
			for begin := time.Now(); time.Since(begin) < c.lasts; {
				_ = list()
			}
			sim.Random(1)
			begin := time.Now()
			for range 80 {
				if err := list(); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(begin); took < c.least || took > c.most {
				t.Errorf("after an outage of %s, 80 calls took %s", c.lasts, took)
			}
		})
	}
}

// A call that never left the machine costs nothing.
func TestARefusedConnectionTakesNothingFromTheBudget(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	budget := cf.NewBudget(3, window, 1)
	c := newClient(t, nil, func(o *cf.Options) { o.APIURL, o.HTTP, o.Budget = server.URL, nil, budget })
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := c.List(ctx, moq.Priority{Urgency: moq.Blackout}, relayID)
		cancel()
		wantFault(t, err, fault.Retry, fault.Unreachable)
	}
}

func TestRateLimitedCallTellsWhenToComeBack(t *testing.T) {
	for _, tt := range []struct {
		delay, want time.Duration
	}{{90 * time.Second, 90 * time.Second}, {0, 5 * time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			sim := newSim(cfsim.Options{})
			sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.RateLimited, Delay: tt.delay})
			c := newClient(t, sim.Transport())
			err := operations[0].run(t, c)
			wantFault(t, err, fault.Retry, fault.RateLimited)
			if e := fault.Of(err); e.After != tt.want {
				t.Errorf("come back after %s, want %s", e.After, tt.want)
			}
			begin := time.Now()
			if err := operations[0].run(t, c); err != nil || time.Since(begin) != tt.want {
				t.Errorf("the next call took %s (%v), want %s", time.Since(begin), err, tt.want)
			}
		})
	}
}

// refusal is a no of Cloudflare's.
const refusal = `{"success":false,"errors":[{"code":21003,"message":"relay id is malformed"}],"messages":[],"result":null}`

func TestObserver(t *testing.T) {
	tests := []struct {
		fault cfsim.Fault
		want  string
	}{
		{cfsim.Fault{}, "main list 200 1s\nmain 1200 allowed\nmain 1199 left\nmain up true"},
		{cfsim.Fault{Kind: cfsim.Refused}, "main list error 0s\nmain up false"},
		{cfsim.Fault{Kind: cfsim.LostAfter}, "main list error 1s\nmain up false"},
		{cfsim.Fault{Kind: cfsim.ErrorBefore}, "main list 500 1s\nmain up false"},
		{cfsim.Fault{Kind: cfsim.Instead, Status: 403}, "main list 403 1s\nmain up false"},
		{cfsim.Fault{Kind: cfsim.Instead, Status: 400, Body: refusal}, "main list 400 1s\nmain up true"},
		{cfsim.Fault{Kind: cfsim.PageBefore, Status: 429}, "main list 429 1s\nmain up false"},
		{cfsim.Fault{Kind: cfsim.RateLimited, Delay: time.Minute}, "main blocked for 1m0s\nmain list 429 1s"},
	}
	for _, tt := range tests {
		t.Run(string(tt.fault.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, sim := &watcher{}, newSim(cfsim.Options{Latency: time.Second})
				sim.SetQuota(apiToken, 1200, 5*time.Minute)
				sim.Next(cfsim.List, tt.fault)
				_ = operations[1].run(t, newClient(t, sim.Transport(), func(o *cf.Options) { o.Observer = w }))
				got := w.seen()
				for line := range strings.SplitSeq(tt.want, "\n") {
					if !strings.Contains("\n"+got+"\n", "\n"+line+"\n") {
						t.Errorf("observed\n%s\nwant\n%s", got, tt.want)
					}
				}
				if n, want := strings.Count(got, "\n"), strings.Count(tt.want, "\n"); n != want {
					t.Errorf("observed\n%s\nwant\n%s", got, tt.want)
				}
			})
		})
	}
}

func TestBlockIsTakenBackForEveryAccountOfTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget, a, b, sim := cf.NewBudget(0, 0, 1), &watcher{}, &watcher{}, newSim(cfsim.Options{})
		first := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget, o.Observer = budget, a })
		newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget, o.Observer, o.Account = budget, b, "other" })
		sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.RateLimited, Delay: 40 * time.Second})
		_ = operations[1].run(t, first)
		if got := b.seen(); got != "other blocked for 40s" {
			t.Errorf("observed %q", got)
		}
		pass(41 * time.Second)
		synctest.Wait()
		if got := b.seen(); got != "other not blocked" {
			t.Errorf("observed %q", got)
		}
	})
}

// TestNoValueLeaks sends a canary wherever a server could put a token.
func TestNoValueLeaks(t *testing.T) {
	const canary = "eyJhbGciOiJFUzI1NiJ9.eyJjYW5hcnkiOiJjYW5hcnkifQ.Y2FuYXJ5LWNhbmFyeS1jYW5hcnk"
	bodies := []string{
		canary, `"` + canary, `{"success":true,"result":"` + canary + `"}`,
		`{"success":false,"errors":[{"code":1,"message":"value ` + canary + ` was made"}]}`,
		`{"success":false,"errors":[{"code":"` + canary + `","message":"x"}]}`,
		`{"success":"` + canary + `","errors":"` + canary + `"}`,
		`{"success":false,"errors":[{"code":1,"message":"` + apiToken + `"}]}`,
		`{"success":true,"result":{"token":"` + canary + `","type":"x"}}`,
		`{"success":true,"result":{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[{"jti":"` + canary + `","secret":"` + canary + `"}]}]}}`,
		`{"success":true,"result":{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[{"jti":"x","expires":"` + canary + `"}]}]}}`,
	}
	for _, body := range bodies {
		if !strings.Contains(body, canary) && !strings.Contains(body, apiToken) {
			t.Fatal("the canary is not in the input")
		}
		for _, status := range []int{200, 201, 302, 400, 403, 404, 500} {
			for _, o := range operations {
				if o.op == cfsim.Revoke && strings.Contains(body, "true") {
					continue // its result does not matter: it succeeds
				}
				w, sim := &watcher{}, newSim(cfsim.Options{})
				sim.Next(o.op, cfsim.Fault{Kind: cfsim.Instead, Status: status, Body: body})
				err := o.run(t, newClient(t, sim.Transport(), func(o *cf.Options) { o.Observer = w }))
				if err == nil {
					t.Fatalf("%s succeeded with %s", o.name, body)
				}
				for _, text := range []string{err.Error(), w.seen()} {
					if strings.Contains(text, "eyJ") || strings.Contains(text, "Y2FuYXJ5") || strings.Contains(text, apiToken) {
						t.Errorf("%s %d leaks: %s", o.name, status, text)
					}
				}
			}
		}
	}
}

// A server that speaks no HTTP has its words quoted by net/http.
func TestNoValueLeaksFromTheWire(t *testing.T) {
	const canary = "eyJhbGciOiJFUzI1NiJ9.eyJjYW5hcnkiOiJjYW5hcnkifQ.Y2FuYXJ5LWNhbmFyeS1jYW5hcnk"
	quoted := errors.New(`net/http: HTTP/1.x transport connection broken: malformed HTTP status code "` + canary + `"`)
	c := newClient(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, quoted }))
	err := operations[3].run(t, c)
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), canary) {
			t.Errorf("leaks: %v", err)
		}
	}
}

// A proxy may repeat what it was sent, in whatever form, and steer the terminal of who reads that.
func TestNoEchoReachesAnErrorOrATerminal(t *testing.T) {
	for name, encode := range sinktest.Encodings() {
		for _, o := range operations {
			sent := ""
			rt := roundTrip(func(r *http.Request) (*http.Response, error) {
				sent = encode("x " + r.Header.Get("Authorization") + " y")
				body, _ := json.Marshal(map[string]any{"success": false, "errors": []any{map[string]any{"code": 1, "message": "\x1b[2J\u202e\r\n" + sent}}})
				return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
			})
			err := o.run(t, newClient(t, rt))
			if sinktest.ShownRun(sent, apiToken) == "" {
				t.Fatalf("%s, %s: the API token is not in %q: the test cannot fail", o.name, name, sent)
			}
			if found := sinktest.ShownRun(err.Error(), apiToken); found != "" {
				t.Errorf("%s shows %s: %v", o.name, found, err)
			}
			sinktest.NoLeak(t, err, apiToken)
			sinktest.FitToPrint(t, err.Error(), 2*redact.Limit)
		}
	}
}

func TestAPageOfAProxyIsNamedNotRepeated(t *testing.T) {
	sim := newSim(cfsim.Options{})
	sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.Instead, Status: 403, Body: "<!DOCTYPE html><html><title>Blocked</title>"})
	err := operations[1].run(t, newClient(t, sim.Transport()))
	if !strings.Contains(err.Error(), "403: an HTML page") || strings.Contains(err.Error(), "Blocked") {
		t.Error(err)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	sim := newSim(cfsim.Options{})
	body := `{"success":false,"errors":[{"code":1,"message":"` + strings.Repeat("ä\\u0000 ", 5000) + `"}]}`
	sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.Instead, Status: 400, Body: body})
	err := operations[1].run(t, newClient(t, sim.Transport()))
	sinktest.FitToPrint(t, fault.Of(err).Err.Error(), redact.Limit)
}
