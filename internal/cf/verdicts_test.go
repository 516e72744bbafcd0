package cf

import (
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

func TestWhetherAnAccountIsUpIsDecidedForEachReason(t *testing.T) {
	faulttest.CompareVerdicts(t, "an account", func(f *fault.Error) string {
		up, known := accountState(f)
		switch {
		case !known:
			return "unclear"
		case up:
			return "up"
		}
		return "down"
	})
}
