package vault

import (
	"hash/maphash"
	"sync"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// seenVersion is what was last seen at a target of version 2: enough to write there
// without reading again. If something else is there by now, check-and-set notices.
type seenVersion struct {
	version int
	content uint64 // a hash; equal ones lead to a read, and no more
}

// versionCache keeps them until a write uses them. A rotation looks at its targets before
// it mints, and consumers then wait for one call to Vault in place of two.
type versionCache struct {
	mu   sync.Mutex
	seed maphash.Seed
	of   map[string]seenVersion
}

// keptVersions bounds them: routine probes look at a whole fleet.
const keptVersions = 1024

func (c *versionCache) noteVersion(target string, version int, h sinks.Holding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil || len(c.of) >= keptVersions {
		c.of, c.seed = map[string]seenVersion{}, maphash.MakeSeed() // who is forgotten is read again
	}
	c.of[target] = seenVersion{version, maphash.String(c.seed, h.Content.Reveal())}
}

// takeVersion returns the version that was seen, once, if it was not of this content.
func (c *versionCache) takeVersion(target string, content secret.Value) (version int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, ok := c.of[target]
	delete(c.of, target)
	return seen.version, ok && seen.content != maphash.String(c.seed, content.Reveal())
}
