package awssm

import "github.com/rotatord/rotatord/internal/sinks"

// Calls returns how many requests AWS sees: a probe describes the secret and reads it, a trial
// writes its current version once more, all else is one request.
func (c *Config) Calls() sinks.Calls { return sinks.Calls{Probe: 2, Trial: 3, Write: 1, Read: 1} }
