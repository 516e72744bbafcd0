package bench

import (
	"context"
	"sync"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// memory is a sink that keeps its targets in memory.
type memory struct {
	sinks.Apart
	mu   sync.Mutex
	held map[string]secret.Value
}

func newMemory() *memory { return &memory{held: map[string]secret.Value{}} }

// Render implements sinks.Sink: the value, nothing else.
func (m *memory) Render(r sinks.Record) (secret.Value, error) { return r.Token, nil }

// Probe implements sinks.Sink.
func (m *memory) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	return m.Read(ctx, target)
}

// Write implements sinks.Sink.
func (m *memory) Write(_ context.Context, target string, content secret.Value, o sinks.WriteOptions) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held[target] = content
	return nil
}

// Read implements sinks.Sink.
func (m *memory) Read(_ context.Context, target string) (sinks.Holding, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.held[target]
	return sinks.Holding{Known: true, Exists: ok, Content: v}, nil
}

// MaxContent implements sinks.Sink.
func (m *memory) MaxContent() int { return 1 << 20 }

// Refresh implements sinks.Sink.
func (m *memory) Refresh(context.Context) (bool, error) { return false, nil }

// Close implements sinks.Sink.
func (m *memory) Close() error { return nil }
