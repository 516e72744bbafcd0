package rotation

import (
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
)

// trial is a record like the next one, with a stand-in as long as the slot's last value; guessed when
// none is known. A slot that has left the configuration has none.
func (e *Engine) trial(s *slot) (r sinks.Record, guessed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plan == nil {
		return r, false, fault.Newf(fault.Retry, fault.Canceled, "prepare", s.name(), "the slot has left the configuration")
	}
	size := sinks.TrialSize
	if rot := s.rec.Rotation; rot != nil && rot.Token != nil && rot.Token.ValueSize > 0 {
		size = rot.Token.ValueSize
	} else {
		guessed = true
	}
	names := Names{Relay: s.plan.Relay, Account: s.plan.Account, Instance: e.Instance}
	return sinks.Trial(namesOf(s.rec.Key, names), size, s.plan.Strategy == moq.InPlace), guessed, nil
}
