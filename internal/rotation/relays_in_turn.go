package rotation

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// The relays are listed in turn, though no slot needs it, to notice another installation that has our name.
const (
	// ListPause is between two of these lists, whatever the relays: twenty in five minutes.
	ListPause = 15 * time.Second
	// A relay is listed after so many probe intervals, an hour by default, and after an hour at most.
	probesBetweenLists  = 12
	longestBetweenLists = time.Hour
)

// ListNextRelay lists one relay whose turn it is, if one's is. What cannot be listed is left for the next turn.
func (e *Engine) ListNextRelay(ctx context.Context) {
	if w := e.nextToList(); w != nil {
		_, _ = w.listRelay(ctx, moq.Priority{Urgency: moq.Routine})
	}
}

// nextToList returns a slot of the relay whose turn it is; nil when there is none.
func (e *Engine) nextToList() *worker {
	l, relays, now := e.lists, *e.slots.configured.Load(), e.Clock.Elapsed().Elapsed
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.roundBegan == 0 {
		l.roundBegan, l.nextRelay = now, len(relays) // nothing that counts is older than this process
	}
	if l.nextRelay >= len(relays) {
		if now-l.roundBegan < relays.betweenLists() {
			return nil
		}
		l.roundBegan, l.nextRelay = now, 0
	}
	for l.nextRelay < len(relays) {
		at := l.nextRelay
		l.nextRelay++
		first := at == 0 || relays[at-1].plan.Relay != relays[at].plan.Relay || relays[at-1].plan.Strategy != moq.Overlap
		if first && relays[at].plan.Strategy == moq.Overlap {
			return relays[at].slot
		}
	}
	return nil
}

// betweenLists is how long a round of lists takes at least.
func (r roster) betweenLists() time.Duration {
	every := longestBetweenLists
	for _, n := range r {
		every = min(every, probesBetweenLists*n.plan.CheckInterval())
	}
	return every
}
