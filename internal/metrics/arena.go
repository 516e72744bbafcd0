package metrics

const arenaChunk = 4096

// arena hands out values that live until reset, after which they are handed
// out again as they were left. A scrape of 100,000 slots so makes a few hundred
// allocations the first time and none later, instead of millions. It is not
// safe for concurrent use.
type arena[T any] struct {
	chunks [][]T
	used   int
}

// next gives one value.
func (a *arena[T]) next() *T {
	chunk, at := a.used/arenaChunk, a.used%arenaChunk
	if chunk == len(a.chunks) {
		a.chunks = append(a.chunks, make([]T, arenaChunk))
	}
	a.used++
	return &a.chunks[chunk][at]
}

// take gives a slice of n values in one piece, without spare capacity.
func (a *arena[T]) take(n int) []T {
	if n == 0 || n > arenaChunk {
		return make([]T, n)
	}
	if left := arenaChunk - a.used%arenaChunk; left < n {
		a.used += left
	}
	first := a.used % arenaChunk
	a.next()
	a.used += n - 1
	return a.chunks[(a.used-1)/arenaChunk][first : first+n : first+n]
}

func (a *arena[T]) reset() { a.used = 0 }
