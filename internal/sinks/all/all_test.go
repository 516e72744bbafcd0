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
	if got, want := slices.Sorted(maps.Keys(specs)), []string{"aws_secrets_manager", "file", "vault"}; !slices.Equal(got, want) {
		t.Fatalf("types = %q, want %q", got, want)
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
