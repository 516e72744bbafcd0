package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
)

func markerIn(t *testing.T, folder string, h hooks) *Marker {
	t.Helper()
	s, err := NewConfig().open(h)
	if err != nil {
		t.Fatal(err)
	}
	return &Marker{s, filepath.Join(folder, markerName)}
}

func expectPlaced(t *testing.T, m *Marker, text, want string) {
	t.Helper()
	if got, err := m.Place(t.Context(), text); err != nil || got != want {
		t.Fatalf("%q is there, %v; want %q", got, err, want)
	}
}

func TestAMarkerThatOneReplicaPutsIsSeenByEach(t *testing.T) {
	folder := t.TempDir()
	expectPlaced(t, markerIn(t, folder, hooks{}), "7f3a", "7f3a")
	if err := markerIn(t, folder, hooks{}).Check(t.Context(), "7f3a"); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(folder, ".rotatord-shared"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v: replicas may run as different users", info.Mode(), err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

// Two installations may keep their files in one folder: the marker of the first serves both.
func TestAMarkerThatIsThereStays(t *testing.T) {
	folder := t.TempDir()
	expectPlaced(t, markerIn(t, folder, hooks{}), "first", "first")
	expectPlaced(t, markerIn(t, folder, hooks{}), "second", "first")
	if err := markerIn(t, folder, hooks{}).Check(t.Context(), "first"); err != nil {
		t.Error(err)
	}
}

func TestAMarkersFolderIsMadeAsATargetsIs(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "moq", "live")
	expectPlaced(t, markerIn(t, folder, hooks{}), "a", "a")
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != folderMode {
		t.Errorf("%v, %v", info, err)
	}
}

func TestWhoDoesNotSeeTheMarkerIsToldWhatToDo(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, markerName)
	for name, c := range map[string]struct {
		there func() error
		is    error
		want  string
	}{
		"nothing there": {func() error { return nil }, ErrNoMarker,
			"look at marker " + path + ": the marker that another replica put there is missing here " +
				"(mount at " + folder + " what the other replicas have there; where that was made anew: echo mine > " + path + ")"},
		"another there": {func() error { return os.WriteFile(path, []byte("theirs\n"), 0o600) }, ErrOtherMarker,
			"look at marker " + path + ": another marker is there than the other replicas see " +
				"(mount at " + folder + " what the other replicas have there, or give path a folder of this installation's own)"},
		"a link": {func() error { return os.Symlink("/etc/hostname", path) }, ErrNoMarker, ""},
		"a folder": {func() error { return os.Mkdir(path, 0o700) }, nil,
			"look at marker " + path + ": the target is a folder (move the folder away, or correct path)"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.there(); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path) //nolint:errcheck // what is there is not ours to judge
			err := markerIn(t, folder, hooks{}).Check(t.Context(), "mine")
			if err == nil || c.is != nil && !errors.Is(err, c.is) || c.want != "" && err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
			if c.is != nil && fault.Of(err).Class != fault.Retry {
				t.Error("it is not tried again, and a file system may yet be mounted")
			}
		})
	}
}

func TestAFileSystemThatRefusesIsNamed(t *testing.T) {
	refusing := hooks{before: func(step) error { return &fs.PathError{Op: "open", Path: "/moq/.rotatord-shared", Err: unix.EACCES} }}
	m := markerIn(t, t.TempDir(), refusing)
	expectForbidden(t, m.Check(t.Context(), "mine"))
	_, err := m.Place(t.Context(), "mine")
	expectForbidden(t, err)
	full := markerIn(t, t.TempDir(), hooks{before: func(s step) error {
		if s == stepWrite {
			return unix.ENOSPC
		}
		return nil
	}})
	if _, err := full.Place(t.Context(), "mine"); fault.Of(err).Reason != fault.Full {
		t.Errorf("a full file system: %v", err)
	}
	if err := full.Check(t.Context(), "mine"); !errors.Is(err, ErrNoMarker) {
		t.Errorf("something was left there: %v", err)
	}
}

func expectForbidden(t *testing.T, err error) {
	t.Helper()
	if fault.Of(err) == nil || fault.Of(err).Reason != fault.Forbidden || errors.Is(err, ErrNoMarker) || !strings.Contains(err.Error(), "let rotatord's user") {
		t.Errorf("got %v", err)
	}
}

// A link that others may change could have a marker of somebody else's choice be found.
func TestAMarkerIsLookedForWhereNobodyElseLeads(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	elsewhere := t.TempDir()
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777), os.Symlink(elsewhere, filepath.Join(open, "moq"))); err != nil {
		t.Fatal(err)
	}
	m := markerIn(t, filepath.Join(open, "moq"), hooks{})
	for _, err := range []error{m.Check(t.Context(), "mine"), func() error { _, err := m.Place(t.Context(), "mine"); return err }()} {
		if err == nil || !strings.Contains(err.Error(), "is not followed") {
			t.Errorf("got %v", err)
		}
	}
	if left, _ := os.ReadDir(elsewhere); len(left) > 0 {
		t.Errorf("it was put into %s", elsewhere)
	}
}

func TestAFileSystemThatHangsHoldsNobody(t *testing.T) {
	release := make(chan struct{})
	m := markerIn(t, t.TempDir(), hooks{before: func(step) error { <-release; return nil }})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Check(ctx, "mine"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoMarker) {
		t.Errorf("got %v", err)
	}
}

func TestTheFolderOfTargetsIsWhatTheyHaveInCommon(t *testing.T) {
	for template, want := range map[string]string{
		"/var/lib/moq/{{.Relay}}/{{.Type}}.token": "/var/lib/moq", "/var/lib/moq/live-{{.Relay}}.token": "/var/lib/moq",
		"/a/b/c.token": "/a/b", "/{{.Relay}}/x": "/", `{{"/x"}}/y`: "/", "/a//b/{{.Type}}": "/a/b", "/a/{{- .Type}}": "/a",
	} {
		for _, shared := range []bool{true, false} {
			c := NewConfig()
			c.OneForAll = shared
			if got, ok := c.SharedFolder(template); got != want || ok != shared {
				t.Errorf("%s: %s, %v; want %s, %v", template, got, ok, want, shared)
			}
		}
	}
}
