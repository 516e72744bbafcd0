package awssm

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/mandate"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
)

func TestWhoLeadsNoMoreWritesNothing(t *testing.T) {
	server := awstest.New(t)
	credentials(t, server)
	for name, role := range map[string]string{"keys": "", "a-role": "arn:aws:iam::123456789012:role/rotatord"} {
		t.Run(name, func(t *testing.T) {
			var over atomic.Bool
			why := errors.New("its lease is not confirmed")
			c := configFor(server)
			c.RoleARN = role
			s, err := c.Open(t.Context(), sinks.OpenOptions{Name: "aws-prod", MayAct: func() error {
				if over.Load() {
					return why
				}
				return nil
			}})
			must(t, err)
			defer func() { must(t, s.Close()) }()
			over.Store(true)
			err = s.Write(t.Context(), name, secret.New("new"), sinks.WriteOptions{RotationID: "r"})
			if f := fault.Of(err); f == nil || f.Class != fault.Retry || f.Reason != fault.Canceled || !f.Unsent || !errors.Is(err, why) {
				t.Errorf("error = %v, want that it leads no more", err)
			}
			over.Store(false) // but the term in which a write began is
			ended := mandate.With(t.Context(), mandate.Mandate{Lasts: func() error { return why }})
			if err := s.Write(ended, name, secret.New("new"), sinks.WriteOptions{RotationID: "r"}); !errors.Is(err, why) {
				t.Errorf("a write of a former term: %v", err)
			}
			if _, there := server.Value(name); there {
				t.Error("the secret was written")
			}
			put(t, s, name, "newer", "s")
		})
	}
}
