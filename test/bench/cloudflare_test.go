package bench

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

const (
	accountID = "023e105f4ecef8ad9ca31a8372d0c353"
	apiToken  = "the-api-token-of-the-benchmarks"
)

// relayID makes up the id of the nth relay.
func relayID(n int) string { return fmt.Sprintf("%032x", 0xa1000+n) }

// cloudflare serves a simulated Cloudflare on loopback, and gives its API's address.
func cloudflare(tb testing.TB, relays int) (sim *cfsim.Sim, url string) {
	tb.Helper()
	sim = cfsim.New(cfsim.Options{})
	sim.AddAccount(accountID, cfsim.Both)
	sim.AddAPIToken(apiToken, cfsim.Edit, accountID)
	for n := range relays {
		sim.AddRelay(accountID, relayID(n), fmt.Sprintf("relay %d", n))
	}
	server := httptest.NewServer(sim)
	tb.Cleanup(server.Close)
	return sim, server.URL + cfsim.BasePath
}
