package answers

import (
	"context"
	"net/http"
	"sync"

	"github.com/rotatord/rotatord/internal/limit"
)

// Shared returns a handler that makes one answer of next for all who asked before it was begun, and
// whose requests have the same key; one is made at a time. So nobody gets what was true before he asked. next
// sees one request of those, with a context that does not end with it.
func (p *Places) Shared(next http.Handler, keyOf func(*http.Request) string) http.Handler {
	s := &shared{places: p, next: next, turn: limit.New(1), gathering: map[string]*batch{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, keyOf(r)) })
}

type shared struct {
	places *Places
	next   http.Handler
	turn   *limit.Limiter

	mu        sync.Mutex
	gathering map[string]*batch // whose answer is not begun yet, by key
}

// batch is one answer, and who gets it.
type batch struct {
	made   chan struct{} // closed once there is an answer, or will be none
	answer *answer       // nil: none
	leave  func()        // its place; nil: it has none

	readers int // guarded by shared.mu
}

func (s *shared) serve(w http.ResponseWriter, r *http.Request, key string) {
	b, first := s.join(key)
	defer s.part(b)
	if first {
		s.fill(b, r, key)
	}
	select {
	case <-b.made:
	case <-r.Context().Done():
		return
	}
	if b.answer == nil {
		refuse(w)
		return
	}
	b.answer.writeTo(w, s.places)
}

// join adds a reader to those whose answer is not begun yet. The first has to make it.
func (s *shared) join(key string) (b *batch, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b = s.gathering[key]
	if b == nil {
		b, first = &batch{made: make(chan struct{})}, true
		s.gathering[key] = b
	}
	b.readers++
	return b, first
}

// part takes a reader away. The last leaves the place.
func (s *shared) part(b *batch) {
	s.mu.Lock()
	b.readers--
	last := b.readers == 0
	s.mu.Unlock()
	if last && b.leave != nil {
		b.leave()
	}
}

// fill makes a batch's answer. Whoever came first does so for the others, though he went away himself.
func (s *shared) fill(b *batch, r *http.Request, key string) {
	defer close(b.made)
	ctx := context.WithoutCancel(r.Context())
	leave, err := s.places.enter(ctx)
	if err != nil {
		s.begin(key)
		return
	}
	b.leave = leave
	done, err := s.turn.Enter(ctx)
	s.begin(key)
	if err != nil {
		return
	}
	defer done()
	a := newAnswer()
	s.next.ServeHTTP(a, r.WithContext(ctx))
	b.answer = a
}

// begin lets nobody else join: what comes now may be new.
func (s *shared) begin(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.gathering, key)
}
