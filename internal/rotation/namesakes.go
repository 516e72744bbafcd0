package rotation

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// listsLag is how long a list may go on showing a token that was revoked.
const listsLag = time.Minute

// lists is what lists of relays are judged by beyond the one slot that asked for them. Safe for concurrent use.
type lists struct {
	// namesakes are ids of tokens of another living installation that has our name. The map is replaced, not
	// changed: every look at a slot reads it.
	namesakes atomic.Pointer[map[moq.RelayKey][]string]

	mu         sync.Mutex
	revoked    map[string]time.Duration // ids by when this process revoked them, by elapsed time
	nextRelay  int                      // of the roster: which ListNextRelay lists next
	roundBegan time.Duration            // by elapsed time; zero: none has begun
}

func newLists() *lists {
	l := &lists{revoked: map[string]time.Duration{}}
	l.namesakes.Store(&map[moq.RelayKey][]string{})
	return l
}

// noteRevoked notes a token that was revoked just now, and forgets those that no list shows any more.
func (l *lists) noteRevoked(id string, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for old, at := range l.revoked {
		if now-at > listsLag {
			delete(l.revoked, old)
		}
	}
	l.revoked[id] = now
	l.forgetNamesakeToken(id)
}

// forgetNamesakeToken forgets a namesake's token that we revoked ourselves, as a person asked: the next list may be an
// hour away. l.mu is held.
func (l *lists) forgetNamesakeToken(id string) {
	for k, ids := range *l.namesakes.Load() {
		if !slices.Contains(ids, id) {
			continue
		}
		next := maps.Clone(*l.namesakes.Load())
		next[k] = slices.DeleteFunc(slices.Clone(ids), func(other string) bool { return other == id })
		if len(next[k]) == 0 {
			delete(next, k)
		}
		l.namesakes.Store(&next)
		return
	}
}

// withoutRevoked takes out of a list what this process revoked: it shows it only because it lags.
func (l *lists) withoutRevoked(list moq.TokenList, now time.Duration) moq.TokenList {
	l.mu.Lock()
	defer l.mu.Unlock()
	list.Tokens = slices.DeleteFunc(list.Tokens, func(t moq.Token) bool {
		at, ours := l.revoked[t.ID]
		return ours && now-at <= listsLag
	})
	return list
}

// namesakeTokens are the ids of the tokens of a relay that another living installation of our name minted.
func (l *lists) namesakeTokens(k moq.RelayKey) []string { return (*l.namesakes.Load())[k] }

// setNamesakeTokens notes which of a relay's listed tokens are a namesake's, and returns those that were not known to
// be. One stays so while it is listed: what is known of rotation ids is forgotten.
func (l *lists) setNamesakeTokens(k moq.RelayKey, list moq.TokenList, theirs []string) (fresh []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.namesakeTokens(k)
	var now []string
	for _, t := range list.Tokens {
		if slices.Contains(before, t.ID) || slices.Contains(theirs, t.ID) {
			now = append(now, t.ID)
		}
	}
	for _, id := range before {
		if !list.Complete && !slices.Contains(now, id) {
			now = append(now, id)
		}
	}
	if slices.Equal(before, now) {
		return nil
	}
	next := maps.Clone(*l.namesakes.Load())
	if next[k] = now; len(now) == 0 {
		delete(next, k)
	}
	l.namesakes.Store(&next)
	return slices.DeleteFunc(slices.Clone(now), func(id string) bool { return slices.Contains(before, id) })
}

// noteNamesakes notes tokens of another living installation that has our name, and tells of each once. What our slots
// know is asked after the list was made.
func (w *worker) noteNamesakes(list moq.TokenList) {
	e, k := w.engine, w.record.Key.OfRelay()
	ours := func(id string) bool {
		return e.maker.Made(id) || slices.ContainsFunc(e.slots.ofRelay(k), func(o *worker) bool { return o.hasUsed(id) })
	}
	var v slot.View
	w.locked(func() { v = w.view() })
	var theirs []string
	for _, t := range list.Tokens {
		if v.OfForeignInstance(t, e.Instance, ours) {
			theirs = append(theirs, t.ID)
		}
	}
	for _, id := range e.lists.setNamesakeTokens(k, list, theirs) {
		e.Log.Warn("another rotatord runs under the name of this one, and mints tokens of this relay: stop one, or give each an `instance` of its own",
			zap.String("instance", e.Instance), zap.String("relay_id", k.RelayID), zap.String("token_id", id))
	}
}

func (m *memory) hasUsed(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record.HasUsed(id)
}
