package vault

import (
	"hash/maphash"
	"sync"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// glimpse is what was last seen at a target of version 2: enough to write there
// without reading again. If something else is there by now, check-and-set notices.
type glimpse struct {
	version int
	content uint64 // a hash; equal ones lead to a read, and no more
}

// glimpses are kept until a write uses them. A rotation looks at its targets before
// it mints, and consumers then wait for one call to Vault in place of two.
type glimpses struct {
	mu   sync.Mutex
	seed maphash.Seed
	of   map[string]glimpse
}

// keptGlimpses bounds them: routine probes look at a whole fleet.
const keptGlimpses = 1024

func (g *glimpses) note(target string, version int, h sinks.Holding) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil || len(g.of) >= keptGlimpses {
		g.of, g.seed = map[string]glimpse{}, maphash.MakeSeed() // who is forgotten is read again
	}
	g.of[target] = glimpse{version, maphash.String(g.seed, h.Content.Reveal())}
}

// take gives the version that was seen, once, if it was not of this content.
func (g *glimpses) take(target string, content secret.Value) (version int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen, ok := g.of[target]
	delete(g.of, target)
	return seen.version, ok && seen.content != maphash.String(g.seed, content.Reveal())
}
