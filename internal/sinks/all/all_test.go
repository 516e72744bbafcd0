package all_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

func TestEverySinkIsRegisteredUnderItsOwnTypeWithTheCommonDefaults(t *testing.T) {
	specs := all.Specs()
	for _, typ := range []string{"aws_secrets_manager", "file", "vault"} {
		if specs[typ] == nil {
			t.Errorf("%s, which configurations name, is none of %q", typ, slices.Sorted(maps.Keys(specs)))
		}
	}
	for typ, make := range specs {
		got, want := *make().Shared(), sinks.Common{Type: typ, Timeout: 10 * time.Second, ProbeInterval: 5 * time.Minute, Existing: sinks.Refuse}
		if got != want {
			t.Errorf("%s: shared keys = %+v, want %+v", typ, got, want)
		}
		if make() == make() {
			t.Errorf("%s: two configurations are one", typ)
		}
	}
}
