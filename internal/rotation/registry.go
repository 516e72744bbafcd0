package rotation

import (
	"cmp"
	"iter"
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
	byRelay    map[moq.RelayKey]*worker // the first of each relay's slots, by type; the others follow it
	size       int                      // how many slots there are
	spare      []worker
	configured atomic.Pointer[roster]
}

func newRegistry() *registry {
	r := &registry{byRelay: map[moq.RelayKey]*worker{}}
	r.configured.Store(&roster{})
	return r
}

// expect makes room for so many slots, before there are any.
func (r *registry) expect(slots int) { r.byRelay = make(map[moq.RelayKey]*worker, slots) }

// slotsAtOnce slots are allocated together: they are never freed, and lie closer
// than among what a start leaves behind. So many fill whole pages.
const slotsAtOnce = 1024

// addWorker makes the worker of a record. r.mu is held, or nobody else has the registry yet.
func (r *registry) addWorker(e *Engine, rec slot.Record) *worker {
	if len(r.spare) == 0 {
		r.spare = make([]worker, slotsAtOnce)
	}
	w := &r.spare[0]
	r.spare = r.spare[1:]
	w.engine, w.record = e, rec
	r.insertSorted(w)
	r.size++
	return w
}

// insertSorted puts a worker among those of its relay, which are sorted by type. r.mu is held.
func (r *registry) insertSorted(w *worker) {
	relay, typ := w.record.Key.OfRelay(), w.record.Key.Type
	before := r.byRelay[relay]
	if before == nil || typ < before.record.Key.Type {
		w.nextOfRelay, r.byRelay[relay] = before, w
		return
	}
	for before.nextOfRelay != nil && before.nextOfRelay.record.Key.Type < typ {
		before = before.nextOfRelay
	}
	w.nextOfRelay, before.nextOfRelay = before.nextOfRelay, w
}

// workerOf returns the worker of a slot; nil when there is none. r.mu is not held.
func (r *registry) workerOf(k moq.Key) *worker {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.workerOfLocked(k)
}

// workerOfLocked returns the worker of a slot; nil when there is none. r.mu is held.
func (r *registry) workerOfLocked(k moq.Key) *worker {
	w := r.byRelay[k.OfRelay()]
	for w != nil && w.record.Key.Type != k.Type {
		w = w.nextOfRelay
	}
	return w
}

// allWorkers returns every worker, in no order.
func (r *registry) allWorkers() []*worker {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.AppendSeq(make([]*worker, 0, r.size), r.eachWorker())
}

// eachWorker yields every worker, in no order. r.mu is held meanwhile.
func (r *registry) eachWorker() iter.Seq[*worker] {
	return func(yield func(*worker) bool) {
		for _, w := range r.byRelay {
			for ; w != nil; w = w.nextOfRelay {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// anyBusy returns a worker that has something left to do now; nil when none has.
func (r *registry) anyBusy() *worker {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for w := range r.eachWorker() {
		if !w.isQuiet() {
			return w
		}
	}
	return nil
}

// findConfigured returns the worker of a configured slot by its name; an error says that there is none.
func (r *registry) findConfigured(relay, typ string) (*worker, error) {
	if w := r.configured.Load().workerNamed(relay, moq.TokenType(typ)); w != nil {
		return w, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.NotFound, "find slot", relay+"/"+typ,
		"no such slot is configured").WithHint("`rotatord status` lists the slots")
}

// ofRelay returns all slots of a relay, those that left the configuration too, sorted by type.
func (r *registry) ofRelay(k moq.RelayKey) (out []*worker) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for w := r.byRelay[k]; w != nil; w = w.nextOfRelay {
		out = append(out, w)
	}
	return out
}

// allRecords yields copies of all records as memory has them, which is never behind the journal.
func (r *registry) allRecords(yield func(*slot.Record) bool) {
	for _, w := range r.allWorkers() {
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

// workerNamed returns the slot of a name; nil when none is configured under it.
func (r roster) workerNamed(relay string, typ moq.TokenType) *worker {
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
	return p != nil && r.workerNamed(p.Relay, p.Key.Type) == w
}
