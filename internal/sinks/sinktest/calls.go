package sinktest

import (
	"testing"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// CallCheck is a sink whose store counts the requests it sees. Target holds what was delivered last.
type CallCheck struct {
	Sink    sinks.Sink
	Target  string
	Content secret.Value // the next to be delivered
	Said    sinks.Calls
	Seen    func() int
}

// CheckCalls makes the operations of one rotation, and a routine probe, and holds what the store
// saw against what was said.
func CheckCalls(t *testing.T, c CallCheck) {
	t.Helper()
	trial := sinks.ProbeOptions{Read: true, Trial: c.Content, Ours: func(secret.Value) bool { return true }}
	routine := sinks.ProbeOptions{Read: true, Ours: trial.Ours}
	// What is shared by a minute's probes is seen with the first.
	for _, step := range []struct {
		name string
		said int
		do   func() error
	}{
		{"the first probe", c.Said.Probe + c.Said.PerMinute, func() error { return c.probe(t, routine) }},
		{"a probe", c.Said.Probe, func() error { return c.probe(t, routine) }},
		{"the trial", c.Said.Trial, func() error { return c.probe(t, trial) }},
		{"the write", c.Said.Write, func() error {
			return c.Sink.Write(t.Context(), c.Target, c.Content, sinks.WriteOptions{RotationID: "rotation-2"})
		}},
		{"reading back", c.Said.Read, func() error { return c.read(t) }},
		{"reading before a revocation", c.Said.Read, func() error { return c.read(t) }},
	} {
		before := c.Seen()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if seen := c.Seen() - before; seen != step.said {
			t.Errorf("%s takes %d requests, and %d are told of", step.name, seen, step.said)
		}
	}
}

func (c *CallCheck) probe(t *testing.T, o sinks.ProbeOptions) error {
	_, err := c.Sink.Probe(t.Context(), c.Target, o)
	return err
}

func (c *CallCheck) read(t *testing.T) error {
	_, err := c.Sink.Read(t.Context(), c.Target)
	return err
}
