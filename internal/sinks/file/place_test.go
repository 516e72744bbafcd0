package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
)

func TestAPlaceIsTheSameByWhateverPathItIsReached(t *testing.T) {
	root := t.TempDir()
	s, err := NewConfig().open(hooks{})
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(root, "real", "sub"), 0o750))
	must(t, os.Symlink("real", filepath.Join(root, "link")))
	must(t, os.WriteFile(filepath.Join(root, "real", "one"), nil, 0o600))
	must(t, os.Symlink("one", filepath.Join(root, "real", "other")))
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"real/one", "link/one", true},
		{"real/sub/one", "link/sub/one", true},
		{"real/yet/to/come", "link/yet/to/come", true},
		{"real/yet/to/come", "real/yet/to/go", false},
		{"real/yet/come", "real/come", false},
		{"real/one", "real/other", false}, // a link at the target itself is replaced
		{"real/one", "real/sub/one", false},
		{"real/one", "one", false},
	} {
		a, errA := s.Place(t.Context(), filepath.Join(root, c.a))
		b, errB := s.Place(t.Context(), filepath.Join(root, c.b))
		must(t, errA)
		must(t, errB)
		if a == "" || (a == b) != c.same {
			t.Errorf("%s is at %q, and %s at %q", c.a, a, c.b, b)
		}
	}
	_, err = s.Place(t.Context(), filepath.Join(root, "real", "one", "below", "it"))
	if f := fault.Of(err); err == nil || f.Reason != fault.Invalid || f.Hint == "" {
		t.Errorf("below a file there is no place: %v", err)
	}
}
