package cfsdk77

import (
	"errors"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/cloudflare/cloudflare-go/v7/moq"
	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

const (
	accountID = "023e105f4ecef8ad9ca31a8372d0c353"
	relayID   = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
	apiToken  = "api-token"
)

// vendor is Cloudflare's client against the simulator over a real socket.
func vendor(t *testing.T, o cfsim.Options) (*cfsim.Sim, *moq.RelayService) {
	t.Helper()
	sim := cfsim.New(o)
	sim.AddAccount(accountID, cfsim.Gen1)
	sim.AddAPIToken(apiToken, cfsim.Edit, accountID)
	sim.AddRelay(accountID, relayID, "live-main")
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, moq.NewRelayService(option.WithBaseURL(server.URL+cfsim.BasePath), option.WithAPIToken(apiToken),
		option.WithHTTPClient(server.Client()), option.WithMaxRetries(0))
}

func params(kind moq.RelayTokenRotateParamsType) (p moq.RelayTokenRotateParams) {
	p.AccountID.Value, p.AccountID.Present = accountID, true
	p.Type.Value, p.Type.Present = kind, true
	return p
}

func TestVendorsClientRotates(t *testing.T) {
	for _, strange := range []bool{false, true} {
		sim, relays := vendor(t, cfsim.Options{Strange: strange})
		old := sim.Tokens(relayID)
		res, err := relays.Tokens.Rotate(t.Context(), relayID, params(moq.RelayTokenRotateParamsTypeSubscribe))
		if err != nil {
			t.Fatal(err)
		}
		if res.Type != moq.RelayTokenRotateResponseTypeSubscribe || !sim.Accepts(relayID, res.Token) {
			t.Errorf("the new token of type %q is not accepted", res.Type)
		}
		if !sim.Accepts(relayID, old[0].Value) || sim.Accepts(relayID, old[1].Value) {
			t.Error("the token of the other type must stay accepted, the old one not")
		}
	}
}

// TestOurRequestIsTheVendors: the test of the same name in internal/cf checks our
// own request against the same file.
func TestOurRequestIsTheVendors(t *testing.T) {
	want, err := os.ReadFile("../../internal/cf/testdata/rotate_request.txt")
	if err != nil {
		t.Fatal(err)
	}
	sim, relays := vendor(t, cfsim.Options{})
	if _, err := relays.Tokens.Rotate(t.Context(), relayID, params(moq.RelayTokenRotateParamsTypePublishSubscribe)); err != nil {
		t.Fatal(err)
	}
	call := sim.Calls()[0]
	if got := call.Method + " " + call.Path + "\n" + call.Body + "\n"; got != string(want) {
		t.Errorf("the vendor sends\n%swe send\n%s", got, want)
	}
}

func TestVendorsClientSeesTheDocumentedErrors(t *testing.T) {
	tests := []struct {
		name, relay string
		kind        moq.RelayTokenRotateParamsType
		set         func(*cfsim.Sim)
		status      int
		code        int64
	}{
		{"malformed relay id", "xyz", moq.RelayTokenRotateParamsTypeSubscribe, nil, 400, 21003},
		{"unknown type", relayID, "publish", nil, 400, 21010},
		{"no such relay", accountID, moq.RelayTokenRotateParamsTypeSubscribe, nil, 404, 21007},
		{"server error", relayID, moq.RelayTokenRotateParamsTypeSubscribe,
			func(s *cfsim.Sim) { s.Next(cfsim.Rotate, cfsim.Fault{Kind: cfsim.ErrorBefore}) }, 500, 21006},
		{"generation 2", relayID, moq.RelayTokenRotateParamsTypeSubscribe,
			func(s *cfsim.Sim) { s.AddAccount(accountID, cfsim.Gen2) }, 405, 10405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim, relays := vendor(t, cfsim.Options{})
			if tt.set != nil {
				tt.set(sim)
			}
			_, err := relays.Tokens.Rotate(t.Context(), tt.relay, params(tt.kind))
			e, ok := errors.AsType[*moq.Error](err)
			if !ok || e.StatusCode != tt.status || len(e.Errors) == 0 || e.Errors[0].Code != tt.code {
				t.Errorf("got %v, want %d with code %d", err, tt.status, tt.code)
			}
		})
	}
}
