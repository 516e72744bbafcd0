package vaulttest_test

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

func TestServer(t *testing.T) {
	t.Parallel()
	t.Run("keeps its storage over a restart", func(t *testing.T) {
		s := vaulttest.Start(t, vaulttest.Persistent())
		s.Write(t, "secret/data/x", map[string]any{"data": map[string]any{"a": "b"}})
		before := s.Address
		s.Restart(t)
		got, err := s.Client(t).Logical().Read("secret/data/x")
		if err != nil || got == nil || s.Address != before {
			t.Errorf("after a restart at %s, before %s: %v, %v", s.Address, before, got, err)
		}
	})
	t.Run("refuses while sealed", func(t *testing.T) {
		s := vaulttest.Start(t, vaulttest.TLS())
		s.Seal(t)
		_, err := s.Client(t).Logical().Read("secret/data/x")
		if err == nil || !strings.Contains(err.Error(), "sealed") {
			t.Errorf("read of a sealed Vault: %v", err)
		}
		s.Unseal(t)
		if _, err := s.Client(t).Logical().Read("secret/data/x"); err != nil {
			t.Errorf("read after unsealing: %v", err)
		}
	})
}
