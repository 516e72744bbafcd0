package file

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
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

func TestTheSinkAsksWhatItWasOpenedWith(t *testing.T) {
	why := errors.New("it resigned")
	s, err := NewConfig().Open(t.Context(), sinks.OpenOptions{Name: "disk", MayAct: func() error { return why }})
	must(t, err)
	target := filepath.Join(t.TempDir(), "token")
	if err := s.Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{}); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
