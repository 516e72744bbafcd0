package soak

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

// given is every token that Cloudflare ever handed out, by value.
type given struct {
	sim *cfsim.Sim

	mu     sync.Mutex
	tokens map[string]grant
}

type grant struct {
	relayID    string
	id         string
	operations []string
}

func newGiven(sim *cfsim.Sim) *given { return &given{sim: sim, tokens: map[string]grant{}} }

// note takes down the tokens of the relay that a call was about, before the
// caller has its answer.
func (g *given) note(r *http.Request) {
	part := strings.Split(strings.TrimPrefix(r.URL.Path, cfsim.BasePath), "/")
	if r.Method != http.MethodPost || len(part) < 6 {
		return
	}
	g.add(part[5])
}

func (g *given) add(relayID string) {
	list := g.sim.Tokens(relayID)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range list {
		g.tokens[t.Value] = grant{relayID, t.ID, t.Operations}
	}
}

// of finds the token with a value.
func (g *given) of(value string) (grant, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.tokens[value]
	return t, ok
}

// fits tells whether a value is whole, and one for the slot.
func (g *given) fits(value string, s slotSpec) bool {
	t, ok := g.of(value)
	return ok && t.relayID == s.relayID && slices.Equal(t.operations, operations[s.typ])
}

// signatures gives the last part of every value: nobody writes that by chance.
func (g *given) signatures() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]string, 0, len(g.tokens))
	for value := range g.tokens {
		out = append(out, value[strings.LastIndex(value, ".")+1:])
	}
	return out
}

// relayOf finds the relay of a token.
func (g *given) relayOf(id string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.tokens {
		if t.id == id {
			return t.relayID
		}
	}
	return ""
}
