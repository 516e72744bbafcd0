package rotation

import (
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

func TestWhetherAnUpstreamIsDownIsDecidedForEachReason(t *testing.T) {
	faulttest.CompareVerdicts(t, "an upstream", func(f *fault.Error) string {
		return [...]string{unclear: "unclear", healthy: "up", down: "down"}[upstreamStateOf(f)]
	})
}
