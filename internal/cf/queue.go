package cf

import (
	"container/heap"

	"github.com/rotatord/rotatord/internal/moq"
)

// A revocation that waits lets so many other calls pass before it has its turn;
// calls that end a blackout may pass more often, but not for ever.
const (
	patience         = 3
	blackoutPatience = 15
)

// waiter is one call, or one reservation, that waits for the budget.
type waiter struct {
	prio    moq.Priority
	granted func() // of a reservation, else nil
	ready   chan struct{}
	seq     uint64 // equal priorities go in order of arrival
	index   int    // in its line; -1 once it has left
}

// queue holds those who wait in three lines, each in order of priority. Every
// operation is O(log n).
type queue struct {
	calls        line
	reservations line // apart, so that those who hold a turn can finish what they began
	revocations  line // apart, to be given turns of their own
	passed       int  // how many went before a waiting revocation since the last one
	seq          uint64
}

func (q *queue) lineOf(w *waiter) *line {
	switch {
	case w.granted != nil:
		return &q.reservations
	case w.prio.Revoke:
		return &q.revocations
	}
	return &q.calls
}

func (q *queue) pushWaiter(w *waiter) {
	q.seq++
	w.seq = q.seq
	heap.Push(q.lineOf(w), w)
}

// removeWaiter takes w out before its turn, and reports whether it has not had it.
func (q *queue) removeWaiter(w *waiter) bool {
	if w.index < 0 {
		return false
	}
	heap.Remove(q.lineOf(w), w.index)
	return true
}

// eachHead calls visit with the most urgent of each line.
func (q *queue) eachHead(visit func(*waiter)) {
	for _, l := range [...]line{q.calls, q.reservations, q.revocations} {
		if len(l) > 0 {
			visit(l[0])
		}
	}
}

// popNext takes out whoever's turn it is, among those that may go now; nil when none
// may. Whoever is behind a head may not go when the head may not.
func (q *queue) popNext(mayGo func(*waiter) bool) *waiter {
	next, revocation := q.calls.headIf(mayGo), q.revocations.headIf(mayGo)
	if r := q.reservations.headIf(mayGo); r != nil && (next == nil || r.prio.Urgency < next.prio.Urgency) {
		next = r
	}
	if revocation != nil && (next == nil || q.revokeFirst(revocation.prio, next.prio)) {
		q.passed = 0
		return heap.Pop(&q.revocations).(*waiter)
	}
	if next == nil {
		return nil
	}
	if len(q.revocations) > 0 {
		q.passed++
	}
	return heap.Pop(q.lineOf(next)).(*waiter)
}

func (q *queue) revokeFirst(revocation, other moq.Priority) bool {
	if revocation.Urgency < other.Urgency {
		return true
	}
	if other.Urgency == moq.Blackout || other.Reserved {
		return q.passed >= blackoutPatience
	}
	return q.passed >= patience
}

// line is a container/heap of waiters.
type line []*waiter

func (l line) headIf(mayGo func(*waiter) bool) *waiter {
	if len(l) == 0 || !mayGo(l[0]) {
		return nil
	}
	return l[0]
}

func (l line) Len() int { return len(l) }

func (l line) Less(i, j int) bool {
	a, b := l[i], l[j]
	if a.prio.Reserved != b.prio.Reserved {
		return a.prio.Reserved
	}
	if a.prio.Less(b.prio) || b.prio.Less(a.prio) {
		return a.prio.Less(b.prio)
	}
	return a.seq < b.seq
}

func (l line) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].index, l[j].index = i, j
}

// Push implements heap.Interface.
func (l *line) Push(x any) {
	w := x.(*waiter)
	w.index = len(*l)
	*l = append(*l, w)
}

// Pop implements heap.Interface.
func (l *line) Pop() any {
	old := *l
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*l = old[:len(old)-1]
	w.index = -1
	return w
}
