package vault

import (
	"crypto/sha256"
	"sync"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// glimpse is what was last seen at a target: enough to write there without reading
// again. If something else is there by now, check-and-set notices.
type glimpse struct {
	version int
	content [sha256.Size]byte
}

// glimpses are kept until a write uses them. A rotation looks at its targets before
// it mints, and consumers then wait for one call to Vault in place of two.
type glimpses struct {
	mu sync.Mutex
	of map[string]glimpse
}

// keptGlimpses bounds them: routine probes look at a whole fleet.
const keptGlimpses = 1024

func (g *glimpses) note(target string, version int, h sinks.Holding) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil || len(g.of) >= keptGlimpses {
		g.of = map[string]glimpse{} // who is forgotten is read again
	}
	g.of[target] = glimpse{version, digest(h.Content)}
}

func (g *glimpses) take(target string) (seen glimpse, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen, ok = g.of[target]
	delete(g.of, target)
	return seen, ok
}

func digest(content secret.Value) [sha256.Size]byte { return sha256.Sum256([]byte(content.Reveal())) }
