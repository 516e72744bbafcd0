package soak

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// given is every token that Cloudflare ever handed out, by value.
type given struct {
	mu     sync.Mutex
	tokens map[string]grant
}

type grant struct {
	relayID    string
	id         string
	operations []string
	expires    time.Time
}

// wholeJWT is a value with its whole signature.
var wholeJWT = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{86}`)

// note takes down the tokens in an answer.
func (g *given) note(answer []byte) {
	for _, m := range wholeJWT.FindAllSubmatch(answer, -1) {
		g.add(string(m[0]))
	}
}

// add takes a value down, with what its claims say.
func (g *given) add(value string) {
	var claims struct {
		JTI, Sub   string
		Operations []string
		Exp        int64
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(value, ".")[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens[value] = grant{claims.Sub, claims.JTI, claims.Operations, time.Unix(claims.Exp, 0)}
}

// of finds the token with a value.
func (g *given) of(value string) (grant, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.tokens[value]
	return t, ok
}

// fits reports whether a value is whole, and one for the slot.
func (g *given) fits(value string, s slotSpec) bool {
	t, ok := g.of(value)
	return ok && t.relayID == s.relayID && slices.Equal(t.operations, operations[s.typ])
}

// wasFor reports whether a value is whole, and one for the slot or for the one that it exchanges its name with.
func (g *given) wasFor(value string, s slotSpec) bool {
	other := s
	other.relayID = s.otherID
	return g.fits(value, s) || s.otherID != "" && g.fits(value, other)
}

// signatures returns the last part of every value: nobody writes that by chance.
func (g *given) signatures() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]string, 0, len(g.tokens))
	for value := range g.tokens {
		out = append(out, value[strings.LastIndex(value, ".")+1:])
	}
	return out
}
