package awssm

import (
	"sync"
	"time"
)

const (
	// keptVersions bounds what is remembered: of a target that was forgotten, whatever is current is read.
	keptVersions = 1024
	// readBackWithin is how long after a write a read is taken to be about it.
	readBackWithin = time.Minute
)

// written remembers which version was last written to a target until that is read back. AWS
// may show an older one as the current for a while; of a version that is asked for by its id, it shows that one or none.
type written struct {
	mu sync.Mutex
	of map[string]version
}

type version struct {
	id string
	at time.Time
}

func (w *written) noteWritten(target, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil || len(w.of) >= keptVersions {
		w.of = map[string]version{}
	}
	w.of[target] = version{id, time.Now()}
}

// takeWritten returns the version that was just written to target, once.
func (w *written) takeWritten(target string) (id string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.of[target]
	delete(w.of, target)
	return v.id, ok && time.Since(v.at) < readBackWithin
}
