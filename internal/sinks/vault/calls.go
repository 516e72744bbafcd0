package vault

import "github.com/rotatord/rotatord/internal/sinks"

// Calls returns how many requests Vault sees. A probe reads the secret and asks for the token's
// capabilities; what the mount is, is asked for once a minute. Version 2 takes a write on trial.
// Without check-and-set it is seen whether mount and secret demand it. A merge reads before it writes.
func (c *Config) Calls() sinks.Calls {
	n := sinks.Calls{Probe: 2, Write: 1, Read: 1, PerMinute: 1}
	if c.KVVersion == 2 && !c.CAS {
		n.Probe, n.PerMinute = n.Probe+1, n.PerMinute+1
	}
	n.Trial = n.Probe
	if c.KVVersion == 2 {
		n.Trial++
	}
	if c.WriteMode == Merge {
		n.Write++
	}
	return n
}
