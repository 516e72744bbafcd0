package sinktest

import (
	"slices"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
)

const writers = 8

func concurrentTargets(t *testing.T, s *suite) {
	var wg sync.WaitGroup
	for i := range writers {
		own := *s
		own.target = s.Target(t)
		content := s.render(t, i)
		wg.Go(func() {
			if err := own.sink.Write(t.Context(), own.target, content, sinks.WriteOptions{RotationID: Record(i).RotationID}); err != nil {
				t.Errorf("Write: %v", err)
				return
			}
			if got, err := own.sink.Read(t.Context(), own.target); err != nil || !got.Content.Equal(content) {
				t.Errorf("Read beside other targets gives something else (%v)", err)
			}
		})
	}
	wg.Wait()
}

// A writer may lose to another with a conflict that may be tried again; what
// stays is one value, whole.
func concurrentWrites(t *testing.T, s *suite) {
	var wg sync.WaitGroup
	contents, errs := make([]string, writers), make([]error, writers)
	for i := range writers {
		content := s.render(t, i)
		contents[i] = content.Reveal()
		wg.Go(func() {
			errs[i] = s.sink.Write(t.Context(), s.target, content, sinks.WriteOptions{RotationID: Record(i).RotationID})
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil && fault.Of(err).Reason != fault.Conflict {
			t.Errorf("Write: %v", err)
		}
	}
	got, exists := s.Peek(t, s.target)
	if !exists || !slices.Contains(contents, got) {
		t.Errorf("the target does not hold one of the values whole (exists %t)", exists)
	}
}
