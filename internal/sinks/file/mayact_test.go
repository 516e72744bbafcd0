package file

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/mandate"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

func TestAFileTakesNoNameOnceItsReplicaLeadsNoMore(t *testing.T) {
	for _, end := range append([]step{""}, writeSteps[:len(writeSteps)-1]...) { // the last comes after the name
		t.Run(string(end), func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "token")
			put(t, openWith(t, nil, hooks{}), target, "old")
			var why error
			s := openWith(t, nil, at(end, func() error { why = errors.New("its lease is not confirmed"); return nil }))
			s.disk.mayAct = func() error { return why }
			if end == "" {
				why = errors.New("it resigned")
			}
			err := s.Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{RotationID: "r"})
			if f := fault.Of(err); f == nil || f.Class != fault.Retry || f.Reason != fault.Canceled || !f.Unsent || !errors.Is(err, why) {
				t.Errorf("error = %v, want that it leads no more", err)
			}
			wantContent(t, target, "old")
			if got := entries(t, filepath.Dir(target)); !slices.Equal(got, []string{"token"}) {
				t.Errorf("the folder holds %q", got)
			}
		})
	}
}

// A write that hung in the kernel while its process led again is still one of the former term.
func TestAFileTakesNoNameOnceTheTermOfItsWriteIsOverOrUnproven(t *testing.T) {
	for _, end := range writeSteps[:len(writeSteps)-1] {
		t.Run(string(end), func(t *testing.T) {
			var over, unproven error
			bounds := map[string]struct {
				because *error
				mandate mandate.Mandate
			}{
				"over":     {&over, mandate.Mandate{Lasts: func() error { return over }}},
				"unproven": {&unproven, mandate.Mandate{Proof: func(context.Context) error { return unproven }}},
			}
			for name, b := range bounds {
				target := filepath.Join(t.TempDir(), "token")
				put(t, openWith(t, nil, hooks{}), target, "old")
				s := openWith(t, nil, at(end, func() error { *b.because = errors.New("another term"); return nil }))
				s.disk.mayAct = func() error { return nil } // it leads again
				err := s.Write(mandate.With(t.Context(), b.mandate), target, secret.New("new"), sinks.WriteOptions{RotationID: "r"})
				if f := fault.Of(err); f == nil || f.Reason != fault.Canceled || !f.Unsent || !errors.Is(err, *b.because) {
					t.Errorf("%s: error = %v, want that its term is", name, err)
				}
				wantContent(t, target, "old")
			}
		})
	}
}

func TestTheSinkAsksWhatItWasOpenedWith(t *testing.T) {
	why := errors.New("it resigned")
	s, err := NewConfig().Open(t.Context(), sinks.OpenOptions{Name: "disk", MayAct: func() error { return why }})
	must(t, err)
	target := filepath.Join(t.TempDir(), "token")
	if err := s.Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{}); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
