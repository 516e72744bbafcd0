package rotation

import (
	"context"

	"github.com/rotatord/rotatord/internal/sinks"
)

// Retry has one slot that waits for each named sink try it now: what the sink turned
// it away for may have been mended. When it gets in, the others follow.
func (e *Engine) Retry(sinkNames []string) {
	for _, name := range sinkNames {
		e.sendAhead(party{name: name})
	}
}

// reaching is the context of a call to a sink: consumers of a slot in blackout wait
// for its required ones.
func (e *Engine) reaching(s *slot, t Target) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.Required || s.rec.blackout().IsZero() {
		return e.work
	}
	return sinks.Urgent(e.work)
}
