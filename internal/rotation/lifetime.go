package rotation

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/rotatord/rotatord/internal/mandate"
	"github.com/rotatord/rotatord/internal/slot"
)

// lifetime is until when an engine begins passes over its slots, and until when their calls may go on. It is safe for
// concurrent use.
type lifetime struct {
	minting context.Context // of mints: outlives stopping by a little
	kill    context.CancelFunc
	work    context.Context // of all other outside calls: within minting
	cut     context.CancelFunc

	starting sync.Mutex // makes stopping certain: no pass starts after it
	stopping atomic.Bool
	passes   sync.WaitGroup
	spawn    func(func()) // the exploration puts its own order here
}

// newLifetime begins one whose calls may leave as long as lasts returns nil.
func newLifetime(lasts func() error) *lifetime {
	l := &lifetime{}
	l.spawn = l.passes.Go
	l.minting, l.kill = context.WithCancel(mandate.With(context.Background(), mandate.Mandate{Lasts: lasts}))
	l.work, l.cut = context.WithCancel(l.minting)
	return l
}

// start begins a pass, unless the engine is stopping.
func (l *lifetime) start(pass func()) bool {
	l.starting.Lock()
	defer l.starting.Unlock()
	if l.stopping.Load() {
		return false
	}
	l.spawn(pass)
	return true
}

// beginNothing has no pass start from here on.
func (l *lifetime) beginNothing() {
	l.starting.Lock()
	defer l.starting.Unlock()
	l.stopping.Store(true)
}

// halt has no pass start, and cuts off all calls but mints.
func (l *lifetime) halt() {
	l.beginNothing()
	l.cut()
}

// isHalted reports whether mints alone may still be in hand.
func (l *lifetime) isHalted() bool { return l.isCutOff() && l.minting.Err() == nil }

// isCutOff reports whether no outside call is begun any more.
func (l *lifetime) isCutOff() bool { return l.work.Err() != nil }

// saving is the context of what is written to the journal, also once outside calls are cut off.
func (l *lifetime) saving() context.Context { return context.WithoutCancel(l.work) }

// mayCarryOut reports whether an action may still be carried out.
func (l *lifetime) mayCarryOut(a slot.Action) bool {
	_, saves := a.(slot.Save)
	return !l.stopping.Load() || saves && !l.isHalted() || slot.Urgent(a) && !l.isCutOff()
}
