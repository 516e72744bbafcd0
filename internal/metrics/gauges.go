package metrics

import (
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

// slotGauge is a gauge of every slot that has the value.
type slotGauge struct {
	name, help string
	value      func(*slot.Status) (v float64, ok bool)
}

func slotGauges() []slotGauge {
	at := func(field func(*slot.Status) time.Time) func(*slot.Status) (float64, bool) {
		return func(s *slot.Status) (float64, bool) { t := field(s); return seconds(t), !t.IsZero() }
	}
	return []slotGauge{
		{"consecutive_failures", "Failed attempts since the slot's last success.",
			func(s *slot.Status) (float64, bool) { return float64(s.ConsecutiveFailures), true }},
		{"slot_unhealthy_targets", "Required targets that are missing, changed or unusable, at the last look.",
			func(s *slot.Status) (float64, bool) { return float64(s.UnhealthyTargets()), true }},
		{"blackout_start_timestamp_seconds", "Since when the slot's consumers are locked out, or may be; absent when they are not.",
			at(func(s *slot.Status) time.Time { return s.BlackoutSince })},
		{"last_rotation_timestamp_seconds", "When the slot's last rotation was verified.",
			at(func(s *slot.Status) time.Time { return s.LastRotation })},
		{"next_rotation_timestamp_seconds",
			"The slot's next rotation, or the oldest that is still unmet; absent for manual ones.", at(nextRotation)},
		{"next_attempt_timestamp_seconds", "When a failing slot is tried again; absent when it is not failing.",
			at(func(s *slot.Status) time.Time { return s.NextAttempt })},
		{"token_created_timestamp_seconds", "When the token that the slot serves was created.",
			at(func(s *slot.Status) time.Time { return s.TokenCreated })},
		{"token_expiry_timestamp_seconds", "When the token that the slot serves expires; absent when that is unknown.",
			at(func(s *slot.Status) time.Time { return s.TokenExpires })},
	}
}

// nextRotation is of slots with a schedule alone: a manual one has a first run at most.
func nextRotation(s *slot.Status) time.Time {
	if s.Manual {
		return time.Time{}
	}
	return s.NextRotation
}
