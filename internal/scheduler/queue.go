package scheduler

import (
	"context"
	"sync"
	"time"
)

// maxWait bounds a sleep: timers stand still while a machine is suspended and know
// nothing of a wall clock that is set.
const maxWait = 30 * time.Second

// Queue holds one wake-up time per key and fires the keys whose time has come by
// the wall clock. Its methods are safe for concurrent use.
type Queue[K comparable] struct {
	now  func() time.Time
	wake chan struct{} // holds a signal when the first wake-up may have come earlier

	mu    sync.Mutex
	heap  []entry[K]
	index map[K]int // where a key is in heap
}

// entry's time is in microseconds since 1970, rounded up: a third of a time.Time.
type entry[K comparable] struct {
	at  int64
	key K
}

// NewQueue makes an empty queue that reads the wall clock with now.
func NewQueue[K comparable](now func() time.Time) *Queue[K] {
	return &Queue[K]{now: now, wake: make(chan struct{}, 1), index: map[K]int{}}
}

// Set puts k into the queue, or moves it, to be fired at at; a zero at removes it.
func (q *Queue[K]) Set(k K, at time.Time) {
	if at.IsZero() {
		q.Remove(k)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i, found := q.index[k]
	if !found {
		i = len(q.heap)
		q.heap = append(q.heap, entry[K]{key: k})
		q.index[k] = i
	}
	q.heap[i].at = at.Add(time.Microsecond - 1).UnixMicro()
	if q.siftFrom(i) == 0 {
		q.wakeRunner()
	}
}

// Remove takes k out of the queue; it is no fault when k is not in it.
func (q *Queue[K]) Remove(k K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i, found := q.index[k]; found {
		q.removeAt(i)
	}
}

// Len is the number of keys that wait.
func (q *Queue[K]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.heap)
}

// Run fires keys until ctx ends, one at a time, earliest first. A key leaves the
// queue before it is fired; fire may Set it anew. fire must not block. Only one
// Run may be under way.
func (q *Queue[K]) Run(ctx context.Context, fire func(k K)) {
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	for ctx.Err() == nil {
		k, due, wait := q.nextDue()
		if due {
			fire(k)
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-q.wake:
		}
	}
}

// nextDue takes out the first key if it is due, else says how long to wait for it.
func (q *Queue[K]) nextDue() (k K, due bool, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.heap) == 0 {
		return k, false, maxWait
	}
	first := q.heap[0]
	if now := q.now().UnixMicro(); first.at > now {
		left := min(first.at-now, int64(maxWait/time.Microsecond))
		return k, false, time.Duration(left) * time.Microsecond
	}
	q.removeAt(0)
	return first.key, true, 0
}

func (q *Queue[K]) wakeRunner() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// removeAt fills the hole at i with the last entry.
func (q *Queue[K]) removeAt(i int) {
	last := len(q.heap) - 1
	delete(q.index, q.heap[i].key)
	moved := q.heap[last]
	q.heap[last] = entry[K]{}
	q.heap = q.heap[:last]
	if i < last {
		q.placeAt(i, moved)
		q.siftFrom(i)
	}
}

// siftFrom moves the entry at i to where its time belongs, and says where that is.
func (q *Queue[K]) siftFrom(i int) int {
	e := q.heap[i]
	for parent := (i - 1) / 2; i > 0 && e.at < q.heap[parent].at; parent = (i - 1) / 2 {
		q.placeAt(i, q.heap[parent])
		i = parent
	}
	for child := q.earlierChild(i); child >= 0 && q.heap[child].at < e.at; child = q.earlierChild(i) {
		q.placeAt(i, q.heap[child])
		i = child
	}
	q.placeAt(i, e)
	return i
}

// earlierChild is the child of i that comes first; -1 when there is none.
func (q *Queue[K]) earlierChild(i int) int {
	left := 2*i + 1
	switch right := left + 1; {
	case left >= len(q.heap):
		return -1
	case right < len(q.heap) && q.heap[right].at < q.heap[left].at:
		return right
	}
	return left
}

func (q *Queue[K]) placeAt(i int, e entry[K]) {
	q.heap[i] = e
	q.index[e.key] = i
}
