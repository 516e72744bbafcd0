package daemon

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// closeAfter is longer than any step takes.
const closeAfter = 2 * time.Minute

// formerBackends are those of former configurations, which steps in hand may still use.
// The zero value has none. It is safe for concurrent use.
type formerBackends struct {
	mu      sync.Mutex
	pending map[*backends]func() error
}

// closeLater closes, a while from now, what of former its successor does not use.
func (f *formerBackends) closeLater(former, successor *backends) {
	leave := sync.OnceValue(func() error { return former.closeExcept(successor) })
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending == nil {
		f.pending = map[*backends]func() error{}
	}
	f.pending[former] = leave
	time.AfterFunc(closeAfter, func() {
		_ = leave()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.pending, former)
	})
}

// pendingCloses returns what closes those that are not closed yet, for who waits no longer.
func (f *formerBackends) pendingCloses() []func() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.pending))
}
