package awssm

import (
	"time"

	"github.com/rotatord/rotatord/internal/sinks"
)

// WriteAdvice says how often AWS would have a secret written.
func (c *Config) WriteAdvice() sinks.WriteAdvice {
	return sinks.WriteAdvice{
		Interval: 10 * time.Minute,
		Text:     "AWS advises against writing a secret more often than once in 10 minutes",
		Hint:     "give slots with an AWS sink a rarer schedule",
	}
}
