package rotation

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// registry holds the worker of every slot that the journal or the configuration
// knows, and the roster of the configured ones. The zero value is not ready; see
// newRegistry. Safe for concurrent use but where a method says otherwise.
type registry struct {
	mu         sync.RWMutex
	byKey      map[moq.Key]*worker
	spare      []worker
	configured atomic.Pointer[roster]
}

func newRegistry() *registry {
	r := &registry{byKey: map[moq.Key]*worker{}}
	r.configured.Store(&roster{})
	return r
}

// slotsAtOnce slots are allocated together: they are never freed, and lie closer
// than among what a start leaves behind. So many fill whole pages.
const slotsAtOnce = 1024

// add makes the worker of a record. r.mu is held, or nobody else has the registry yet.
func (r *registry) add(e *Engine, rec slot.Record) *worker {
	if len(r.spare) == 0 {
		r.spare = make([]worker, slotsAtOnce)
	}
	w := &r.spare[0]
	r.spare = r.spare[1:]
	w.engine, w.record = e, rec
	r.byKey[rec.Key] = w
	return w
}

// get returns the worker of a slot; nil when there is none.
func (r *registry) get(k moq.Key) *worker {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byKey[k]
}

// all returns every worker, in no order.
func (r *registry) all() []*worker {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.AppendSeq(make([]*worker, 0, len(r.byKey)), maps.Values(r.byKey))
}

// anyBusy returns a worker that has something left to do now; nil when none has.
func (r *registry) anyBusy() *worker {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, w := range r.byKey {
		if !w.isQuiet() {
			return w
		}
	}
	return nil
}

// find returns the worker of a configured slot by its name.
func (r *registry) find(relay, typ string) (*worker, error) {
	if w := r.configured.Load().find(relay, moq.TokenType(typ)); w != nil {
		return w, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.NotFound, "find slot", relay+"/"+typ,
		"no such slot is configured").WithHint("`rotatord status` lists the slots")
}

// ofRelay returns all slots of a relay, those that left the configuration too, sorted by type. It looks
// at every slot: a relay is listed no more often than the account's budget allows.
func (r *registry) ofRelay(k moq.RelayKey) (out []*worker) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for key, w := range r.byKey {
		if key.RelayID == k.RelayID && key.AccountID == k.AccountID {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b *worker) int { return cmp.Compare(a.record.Key.Type, b.record.Key.Type) })
	return out
}

// records yields copies of all records as memory has them, which is never behind the journal.
func (r *registry) records(yield func(*slot.Record) bool) {
	for _, w := range r.all() {
		if !yield(w.read()) {
			return
		}
	}
}

// roster is the configured slots, sorted by relay, then type. A map by name would
// take five times the memory.
type roster []entry

// entry is a slot under the plan that names it.
type entry struct {
	plan *slot.Plan
	slot *worker
}

func (r roster) sort() {
	slices.SortFunc(r, func(a, b entry) int { return a.compare(b.plan.Relay, b.plan.Key.Type) })
}

func (e entry) compare(relay string, typ moq.TokenType) int {
	return cmp.Or(cmp.Compare(e.plan.Relay, relay), cmp.Compare(e.plan.Key.Type, typ))
}

// find returns the slot of a name; nil when none is configured under it.
func (r roster) find(relay string, typ moq.TokenType) *worker {
	i, found := slices.BinarySearchFunc(r, typ, func(e entry, t moq.TokenType) int { return e.compare(relay, t) })
	if !found {
		return nil
	}
	return r[i].slot
}

// relay returns the key of the relay of a name.
func (r roster) relay(name string) (moq.RelayKey, bool) {
	i, _ := slices.BinarySearchFunc(r, moq.TokenType(""), func(e entry, t moq.TokenType) int { return e.compare(name, t) })
	if i == len(r) || r[i].plan.Relay != name {
		return moq.RelayKey{}, false
	}
	return r[i].plan.Key.OfRelay(), true
}

// has reports whether the slot is configured under the plan's name.
func (r roster) has(w *worker, p *slot.Plan) bool {
	return p != nil && r.find(p.Relay, p.Key.Type) == w
}
