package metrics

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// rotations counts, of every slot, rotations that ended and attempts that failed. A CounterVec would keep,
// sort and check three whole metrics a slot; this keeps forty bytes.
type rotations struct {
	mu     sync.Mutex
	kinds  map[kind]*kind
	counts []count                // sorted
	gone   map[moq.Strategy]tally // of slots that were removed: sums must not go down
}

// kind is what the counts of many slots share.
type kind struct {
	typ      moq.TokenType
	strategy moq.Strategy
}

// count is what has come of the rotations of a slot under one strategy.
type count struct {
	relay string // as the configuration names it
	*kind
	results tally
}

// tally counts by result, in the order of slot.Results.
type tally [3]uint32

func (t tally) plus(o tally) tally {
	for i := range t {
		t[i] += o[i]
	}
	return t
}

func (c count) compare(o count) int {
	return cmp.Or(c.compareSlot(o), cmp.Compare(c.strategy, o.strategy))
}

func (c count) compareSlot(o count) int {
	return cmp.Or(cmp.Compare(c.relay, o.relay), cmp.Compare(c.typ, o.typ))
}

func (r *rotations) countResult(relay string, k kind, result slot.Result) {
	i := slices.Index(slot.Results(), result)
	if i < 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.newCount(relay, k)
	at, found := slices.BinarySearchFunc(r.counts, c, count.compare)
	if !found { // the configuration changed meanwhile
		r.counts = slices.Insert(r.counts, at, c)
	}
	r.counts[at].results[i]++
}

// newCount makes a count. The lock is held.
func (r *rotations) newCount(relay string, k kind) count {
	if r.kinds == nil {
		r.kinds = map[kind]*kind{}
	}
	if r.kinds[k] == nil {
		shared := k
		r.kinds[k] = &shared
	}
	return count{relay: relay, kind: r.kinds[k]}
}

// configure makes every slot's count exist and drops those of slots that are
// gone. A slot whose strategy changed keeps what it counted under the former.
func (r *rotations) configure(slots []SlotRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone == nil {
		r.gone = map[moq.Strategy]tally{}
	}
	next := make([]count, 0, len(slots))
	for _, s := range slots {
		next = append(next, r.newCount(s.Relay, kind{s.Type, s.Strategy}))
	}
	slices.SortFunc(next, count.compare)
	var former []count
	for _, c := range r.counts {
		if i, found := slices.BinarySearchFunc(next, c, count.compare); found {
			next[i].results = c.results
		} else if _, stays := slices.BinarySearchFunc(next, c, count.compareSlot); stays {
			former = append(former, c)
		} else {
			r.gone[c.strategy] = r.gone[c.strategy].plus(c.results)
		}
	}
	r.counts = append(next, former...)
	slices.SortFunc(r.counts, count.compare)
}

// each visits the counts in order: of every slot, or summed up by strategy
// under an empty slot.
func (r *rotations) each(perSlot bool, visit func(*count)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := r.counts
	if !perSlot {
		counts = sums(counts, r.gone)
	}
	for i := range counts {
		visit(&counts[i])
	}
}

func sums(counts []count, gone map[moq.Strategy]tally) []count {
	by := map[moq.Strategy]tally{}
	maps.Copy(by, gone)
	for _, c := range counts {
		by[c.strategy] = by[c.strategy].plus(c.results)
	}
	list := make([]count, 0, len(by))
	for _, s := range slices.Sorted(maps.Keys(by)) {
		list = append(list, count{kind: &kind{strategy: s}, results: by[s]})
	}
	return list
}
