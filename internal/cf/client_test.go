package cf_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
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
