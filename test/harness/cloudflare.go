package harness

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

// The account of every simulated Cloudflare, and the API token that may edit it.
const (
	AccountID = "023e105f4ecef8ad9ca31a8372d0c353"
	APIToken  = "the-api-token-of-the-tests"
)

// RelayID makes up the id of the nth relay.
func RelayID(n int) string { return fmt.Sprintf("%032x", 0xa1000+n) }

// NewSim makes a Cloudflare with the account, and its relays 0 to relays-1.
func NewSim(o cfsim.Options, relays int) *cfsim.Sim {
	sim := cfsim.New(o)
	sim.AddAccount(AccountID, cfsim.Both)
	sim.AddAPIToken(APIToken, cfsim.Edit, AccountID)
	for n := range relays {
		sim.AddRelay(AccountID, RelayID(n), fmt.Sprintf("relay %d", n))
	}
	return sim
}

// Call sends a request about a relay to Cloudflare as its other clients do.
func Call(t testing.TB, api, method, path, body string) {
	t.Helper()
	url := api + "/accounts/" + AccountID + "/moq/relays/" + path
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	Check(t, err)
	req.Header.Set("Authorization", "Bearer "+APIToken)
	if status, text, err := Answer(http.DefaultClient.Do(req)); err != nil || status > 299 {
		t.Fatalf("%s %s: %d %s, %v", method, path, status, text, err)
	}
}

// Overhear has note hear each part of an answer before the client has it.
func Overhear(h http.Handler, note func(part []byte)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&overheard{w, note}, r)
	})
}

type overheard struct {
	http.ResponseWriter
	note func([]byte)
}

// Write implements http.ResponseWriter.
func (o *overheard) Write(p []byte) (int, error) {
	o.note(p)
	return o.ResponseWriter.Write(p)
}

// Unwrap lets the simulator flush.
func (o *overheard) Unwrap() http.ResponseWriter { return o.ResponseWriter }
