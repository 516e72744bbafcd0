package cf_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/cloudflare/cloudflare-go/v7/moq"
	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

// vendor is Cloudflare's own client, used as its documentation says, against the
// simulator over a real socket: where both agree, the simulator can be believed.
func vendor(t *testing.T, o cfsim.Options) (*cfsim.Sim, *sdk.RelayService) {
	t.Helper()
	sim := newSim(o)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, sdk.NewRelayService(option.WithBaseURL(server.URL+cfsim.BasePath), option.WithAPIToken(apiToken),
		option.WithHTTPClient(server.Client()), option.WithMaxRetries(0))
}

func newParams(operations ...sdk.RelayTokenNewParamsOperation) (p sdk.RelayTokenNewParams) {
	p.AccountID.Value, p.AccountID.Present = accountID, true
	p.Operations.Value, p.Operations.Present = operations, true
	return p
}

func vendorList(t *testing.T, relays *sdk.RelayService) []sdk.RelayTokenListResponseIssuersCloudflareToken {
	t.Helper()
	var p sdk.RelayTokenListParams
	p.AccountID.Value, p.AccountID.Present = accountID, true
	res, err := relays.Tokens.List(t.Context(), relayID, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, issuer := range res.Issuers {
		if issuer.Type == sdk.RelayTokenListResponseIssuersTypeCloudflareJWT {
			return issuer.CloudflareTokens
		}
	}
	return nil
}

func TestVendorsClientCreatesListsAndRevokes(t *testing.T) {
	for _, strange := range []bool{false, true} {
		sim, relays := vendor(t, cfsim.Options{Strange: strange})
		p := newParams(sdk.RelayTokenNewParamsOperationPublish, sdk.RelayTokenNewParamsOperationSubscribe)
		p.Label.Value, p.Label.Present = "camera", true
		p.Expires.Value, p.Expires.Present = time.Now().Add(time.Hour), true
		res, err := relays.Tokens.New(t.Context(), relayID, p)
		if err != nil {
			t.Fatal(err)
		}
		made := res.Issuers[len(res.Issuers)-1].CloudflareTokens[0]
		if made.JSON.Jti.IsInvalid() || made.JSON.Created.IsInvalid() || made.JSON.Expires.IsInvalid() || !made.Operations[0].IsKnown() {
			t.Errorf("the vendor's client does not understand %s", made.JSON.RawJSON())
		}
		if !sim.Accepts(relayID, made.Secret) {
			t.Error("the new token is not accepted")
		}
		list := vendorList(t, relays)
		if len(list) != 3 || list[2].Jti != made.Jti || list[2].Label != "camera" || list[2].Secret != "" {
			t.Errorf("listed %+v", list)
		}
		var d sdk.RelayTokenDeleteParams
		d.AccountID.Value, d.AccountID.Present = accountID, true
		if res, err := relays.Tokens.Delete(t.Context(), relayID, made.Jti, d); err != nil || !res.Success {
			t.Errorf("delete: %+v, %v", res, err)
		}
		if list := vendorList(t, relays); len(list) != 2 || sim.Accepts(relayID, made.Secret) {
			t.Errorf("after the revocation: %+v", list)
		}
	}
}

func TestVendorsClientCreatesATokenThatOnlyPublishes(t *testing.T) {
	sim, relays := vendor(t, cfsim.Options{})
	res, err := relays.Tokens.New(t.Context(), relayID, newParams(sdk.RelayTokenNewParamsOperationPublish))
	if err != nil {
		t.Fatal(err)
	}
	made := res.Issuers[0].CloudflareTokens[0]
	if len(made.Operations) != 1 || made.Operations[0] != "publish" || !sim.Accepts(relayID, made.Secret) {
		t.Errorf("made %s", made.JSON.RawJSON())
	}
	if list := vendorList(t, relays); len(list) != 3 || len(list[2].Operations) != 1 || list[2].Operations[0] != "publish" {
		t.Errorf("listed %+v", list)
	}
}

func TestVendorsClientUnderstandsRelays(t *testing.T) {
	var hours atomic.Int64
	clock := func() time.Time { return time.Unix(3600*hours.Add(1), 0) } // never stands still
	sim, relays := vendor(t, cfsim.Options{Now: clock})
	var p sdk.RelayNewParams
	p.AccountID.Value, p.AccountID.Present = accountID, true
	p.Name.Value, p.Name.Present = "second", true
	made, err := relays.New(t.Context(), p)
	if err != nil || len(made.Issuers) != 1 || len(made.Issuers[0].CloudflareTokens) != 2 {
		t.Fatalf("new: %+v, %v", made, err)
	}
	for _, tok := range made.Issuers[0].CloudflareTokens {
		if !sim.Accepts(made.UID, tok.Secret) {
			t.Error("a new relay's token is not accepted")
		}
	}
	var g sdk.RelayGetParams
	g.AccountID.Value, g.AccountID.Present = accountID, true
	got, err := relays.Get(t.Context(), made.UID, g)
	if err != nil || got.Name != "second" || got.Status != sdk.RelayGetResponseStatusConnected || !got.Created.Equal(made.Created) {
		t.Errorf("get: %+v, %v", got, err)
	}
	var l sdk.RelayListParams
	l.AccountID.Value, l.AccountID.Present = accountID, true
	l.PerPage.Value, l.PerPage.Present = 1, true
	page, err := relays.List(t.Context(), l)
	if err != nil || len(page.Result) != 1 || page.Result[0].UID != made.UID {
		t.Fatalf("newest first: %+v, %v", page, err)
	}
	l.CreatedBefore.Value, l.CreatedBefore.Present = page.Result[0].Created, true
	if page, err = relays.List(t.Context(), l); err != nil || len(page.Result) != 1 || page.Result[0].UID != relayID {
		t.Errorf("the next page: %+v, %v", page, err)
	}
}

func TestVendorsClientSeesTheDocumentedErrors(t *testing.T) {
	tests := []struct {
		name   string
		relay  string
		set    func(*cfsim.Sim)
		params func() sdk.RelayTokenNewParams
		want   string
	}{
		{"malformed relay id", "xyz", nil, nil, "400/21003"},
		{"no such relay", tokenID, nil, nil, "404/21007"},
		{"operations invalid", relayID, nil, func() sdk.RelayTokenNewParams { return newParams("fly away") }, "400/21010"},
		{"no operations", relayID, nil, func() sdk.RelayTokenNewParams { return newParams() }, "400/21010"},
		{"expires too late", relayID, nil, func() sdk.RelayTokenNewParams {
			p := newParams(sdk.RelayTokenNewParamsOperationSubscribe)
			p.Expires.Value, p.Expires.Present = time.Now().Add(366*24*time.Hour), true
			return p
		}, "400/21012"},
		{"server error", relayID, func(s *cfsim.Sim) { s.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.ErrorBefore}) }, nil, "500/21006"},
		{"no permission", relayID, func(s *cfsim.Sim) { s.AddAPIToken(apiToken, cfsim.None, accountID) }, nil, "403/10000"},
		{"unknown API token", relayID, func(s *cfsim.Sim) { s.RemoveAPIToken(apiToken) }, nil, "401/1000"},
		{"generation 1", relayID, func(s *cfsim.Sim) { s.AddAccount(accountID, cfsim.Gen1) }, nil, "404/7003"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim, relays := vendor(t, cfsim.Options{})
			if tt.set != nil {
				tt.set(sim)
			}
			p := newParams(sdk.RelayTokenNewParamsOperationSubscribe)
			if tt.params != nil {
				p = tt.params()
			}
			_, err := relays.Tokens.New(t.Context(), tt.relay, p)
			if got := statusAndCode(err); got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
			if n := len(sim.Tokens(relayID)); n != 2 {
				t.Errorf("the relay holds %d tokens", n)
			}
		})
	}
}

func statusAndCode(err error) string {
	var e *sdk.Error
	if !errors.As(err, &e) || len(e.Errors) == 0 {
		return "no API error"
	}
	return fmt.Sprintf("%d/%d", e.StatusCode, e.Errors[0].Code)
}

func TestVendorsClientSeesTheLimits(t *testing.T) {
	sim, relays := vendor(t, cfsim.Options{})
	sim.SetQuota(apiToken, 10, time.Minute)
	for range 8 {
		if _, err := relays.Tokens.New(t.Context(), relayID, newParams(sdk.RelayTokenNewParamsOperationSubscribe)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := relays.Tokens.New(t.Context(), relayID, newParams(sdk.RelayTokenNewParamsOperationSubscribe))
	if got := statusAndCode(err); got != "409/21009" {
		t.Errorf("the eleventh token: %s", got)
	}
	var e *sdk.Error
	if errors.As(err, &e) && (e.Response.Header.Get("Ratelimit") != `"default";r=1;t=60` || e.Response.Header.Get("Ratelimit-Policy") != `"default";q=10;w=60`) {
		t.Errorf("headers %v", e.Response.Header)
	}
	sim.Spend(apiToken, 1)
	_, err = relays.Tokens.New(t.Context(), relayID, newParams(sdk.RelayTokenNewParamsOperationSubscribe))
	if !errors.As(err, &e) || e.StatusCode != http.StatusTooManyRequests || e.Response.Header.Get("Retry-After") != "300" {
		t.Errorf("over the quota: %v", err)
	}
}
