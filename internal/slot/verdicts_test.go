package slot

import (
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

func TestTheStateOfATargetIsDecidedForEachReason(t *testing.T) {
	faulttest.CompareVerdicts(t, "a target", func(f *fault.Error) string { return string(stateUnder(f)) })
}
