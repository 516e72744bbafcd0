package sinks

import "time"

// Common are the keys that every sink takes; each sink's configuration embeds it.
type Common struct {
	// The kind of sink.
	Type string `yaml:"type" jsonschema:"required"`
	// Bound on one write, read or probe.
	Timeout time.Duration `yaml:"timeout"`
	// How often every target is probed and compared with what was delivered.
	ProbeInterval time.Duration `yaml:"probe_interval"`
	// What becomes of a target that holds something rotatord did not write.
	Existing Existing `yaml:"existing" jsonschema:"enum=refuse,enum=adopt"`
	// Allow plain http to an address off loopback.
	Insecure bool `yaml:"insecure"`
}

// Existing says what to do with a target that holds something rotatord did not write.
type Existing string

// The choices.
const (
	Refuse Existing = "refuse" // a preflight failure that says so
	Adopt  Existing = "adopt"  // take it over
)

// DefaultCommon returns the documented defaults for a sink of type typ.
func DefaultCommon(typ string) Common {
	return Common{Type: typ, Timeout: 10 * time.Second, ProbeInterval: 5 * time.Minute, Existing: Refuse}
}

// Shared returns the embedded keys; Spec asks for it so that callers need not know the sink.
func (c *Common) Shared() *Common { return c }
