package answers

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/internal/limit"
)

// Pace is how fast an answer has to be taken.
type Pace struct {
	Piece   time.Duration // for the next 32 KiB
	Pressed time.Duration // for the whole answer, while somebody waits for a place
	Whole   time.Duration // for the whole answer
	Wait    time.Duration // how long a place is waited for
}

// DefaultPace suits people and Prometheus, which waits ten seconds by itself.
func DefaultPace() Pace {
	return Pace{Piece: 5 * time.Second, Pressed: 3 * time.Second, Whole: time.Minute, Wait: 15 * time.Second}
}

// Places bound how many answers there are at a time, in the making or not yet read. They are safe for
// concurrent use.
type Places struct {
	room    *limit.Limiter
	waiting atomic.Int32 // who waits for a place
	pace    Pace
}

// NewPlaces returns places for most answers.
func NewPlaces(most int, pace Pace) *Places { return &Places{room: limit.New(most), pace: pace} }

// Each returns a handler that gives each answer of next a place, from before it is made until it is
// written.
func (p *Places) Each(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave, err := p.enter(r.Context())
		if err != nil {
			refuse(w)
			return
		}
		defer leave()
		a := newAnswer()
		next.ServeHTTP(a, r)
		a.writeTo(w, p)
	})
}

// enter waits for a place, for so long as the pace says.
func (p *Places) enter(ctx context.Context) (leave func(), err error) {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, p.pace.Wait)
	defer cancel()
	return p.room.Enter(ctx)
}

// refuse answers who found no place.
func refuse(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "too many answers wait to be read by others; ask again", http.StatusServiceUnavailable)
}
