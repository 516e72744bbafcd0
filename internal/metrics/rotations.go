package metrics

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/rotation"
)

// slotKey names a slot as the configuration does.
type slotKey struct {
	relay string
	typ   moq.TokenType
}

// rotationKey is one slot under one strategy.
type rotationKey struct {
	slotKey
	strategy moq.Strategy
}

func (k rotationKey) compare(o rotationKey) int {
	return cmp.Or(cmp.Compare(k.relay, o.relay), cmp.Compare(k.typ, o.typ), cmp.Compare(k.strategy, o.strategy))
}

// tally counts by result, in the order of rotation.Results.
type tally [3]float64

// rotations counts the ended rotations of every slot. A CounterVec would keep,
// sort and check three whole metrics a slot; this keeps three numbers.
type rotations struct {
	mu     sync.Mutex
	counts map[rotationKey]*tally
	order  []rotationKey // sorted, for a stable exposition; nil when keys were added
}

func (r *rotations) add(k rotationKey, result rotation.Result) {
	i := slices.Index(rotation.Results(), result)
	if i < 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expect(k)[i]++
}

// expect gives k's tally, a new one if need be. The lock is held.
func (r *rotations) expect(k rotationKey) *tally {
	if t := r.counts[k]; t != nil {
		return t
	}
	if r.counts == nil {
		r.counts = map[rotationKey]*tally{}
	}
	t := new(tally)
	r.counts[k], r.order = t, nil
	return t
}

// configure makes every slot's tally exist and drops those of slots that are
// gone. A slot whose strategy changed keeps what it counted under the former.
func (r *rotations) configure(slots []SlotRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	present := make(map[slotKey]bool, len(slots))
	for _, s := range slots {
		k := slotKey{s.Relay, s.Type}
		present[k] = true
		r.expect(rotationKey{k, s.Strategy})
	}
	maps.DeleteFunc(r.counts, func(k rotationKey, _ *tally) bool { return !present[k.slotKey] })
	r.order = nil
}

// each visits the tallies in order: of every slot, or summed up by strategy
// under an empty slot.
func (r *rotations) each(perSlot bool, visit func(rotationKey, tally)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !perSlot {
		eachStrategy(r.counts, visit)
		return
	}
	if r.order == nil {
		r.order = slices.SortedFunc(maps.Keys(r.counts), rotationKey.compare)
	}
	for _, k := range r.order {
		visit(k, *r.counts[k])
	}
}

func eachStrategy(counts map[rotationKey]*tally, visit func(rotationKey, tally)) {
	sums := map[rotationKey]tally{}
	for k, t := range counts {
		k.slotKey = slotKey{}
		sum := sums[k]
		for i := range sum {
			sum[i] += t[i]
		}
		sums[k] = sum
	}
	for _, k := range slices.SortedFunc(maps.Keys(sums), rotationKey.compare) {
		visit(k, sums[k])
	}
}
