package sinks

import (
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

func TestWhetherASinkIsUpIsDecidedForEachReason(t *testing.T) {
	faulttest.CompareVerdicts(t, "`rotatord_sink_up`", func(f *fault.Error) string {
		if isUp(f) {
			return "up"
		}
		return "down"
	})
}
