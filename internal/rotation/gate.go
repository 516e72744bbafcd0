package rotation

import (
	"cmp"
	"sync"
)

// gates let one write at a time go to a place, over all slots: when a place changes hands, the former owner's
// write in flight ends first. The zero value is ready.
type gates struct {
	mu sync.Mutex
	of map[string]*gate // by place; those in use alone
}

type gate struct {
	free  chan struct{} // holds one while nobody is in
	users int
}

// enter returns once nobody else writes to a place; leave lets the next in.
func (g *gates) enter(place string) (leave func()) {
	g.mu.Lock()
	if g.of == nil {
		g.of = map[string]*gate{}
	}
	at := g.of[place]
	if at == nil {
		at = &gate{free: make(chan struct{}, 1)}
		at.free <- struct{}{}
		g.of[place] = at
	}
	at.users++
	g.mu.Unlock()
	<-at.free
	return func() { g.leave(place, at) }
}

func (g *gates) leave(place string, at *gate) {
	at.free <- struct{}{}
	g.mu.Lock()
	defer g.mu.Unlock()
	if at.users--; at.users == 0 {
		delete(g.of, place)
	}
}

// gateOf is what the gate of a target goes by: where it is, whatever it is called.
func gateOf(place, location string) string { return cmp.Or(place, location) }
