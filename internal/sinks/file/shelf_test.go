package file

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// shelf keeps attributes: the kernel's, where the file system of the test has them, and a
// stand-in that always can be had.
type shelf interface {
	put(path, name, value string) error
	get(path, name string) (value string, ok bool)
	hooks(target string) hooks
}

func onEachShelf(t *testing.T, test func(t *testing.T, s shelf)) {
	t.Run("stand-in", func(t *testing.T) { test(t, newStandIn()) })
	t.Run("kernel", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "try")
		must(t, os.WriteFile(path, nil, 0o600))
		for name, value := range map[string]string{aclName: string(aclOf(0o600, 1234, 4, 4).encodeACL()), "user.try": "1"} {
			if err := (onDisk{}).put(path, name, value); errors.Is(err, unix.ENOTSUP) {
				t.Logf("the file system of %s keeps no %s", path, name)
				return
			}
		}
		test(t, onDisk{})
	})
}

type onDisk struct{}

func (onDisk) put(path, name, value string) error {
	return unix.Lsetxattr(path, name, []byte(value), 0)
}

func (onDisk) get(path, name string) (string, bool) {
	b := make([]byte, maxAttribute)
	n, err := unix.Lgetxattr(path, name, b)
	return string(b[:max(n, 0)]), err == nil
}

func (onDisk) hooks(string) hooks { return hooks{} }

// standIn keeps attributes by a file's name.
type standIn struct {
	files  map[string]map[string]string
	born   map[string]string // what a new file comes with
	refuse map[string]error  // to set, by name
	broken map[string]error  // to get or to list, by name
	asked  func(f *os.File, name string)
}

func newStandIn() *standIn {
	return &standIn{files: map[string]map[string]string{}, refuse: map[string]error{}, broken: map[string]error{}}
}

func (s *standIn) put(path, name, value string) error {
	if s.files[path] == nil {
		s.files[path] = map[string]string{}
	}
	s.files[path][name] = value
	return nil
}

func (s *standIn) get(path, name string) (string, bool) {
	value, ok := s.files[path][name]
	return value, ok
}

// hooks have attributes go with the file that is made and renamed.
func (s *standIn) hooks(target string) hooks {
	return hooks{attributes: standInKernel{s}, before: func(st step) error {
		switch st {
		case stepCreate:
			s.files[temporaryBeside(target)] = maps.Clone(s.born)
		case stepSyncFolder:
			if made, ok := s.files[temporaryBeside(target)]; ok {
				s.files[target] = made
				delete(s.files, temporaryBeside(target))
			}
		}
		return nil
	}}
}

type standInKernel struct{ *standIn }

func (s standInKernel) list(f *os.File) ([]string, error) {
	return slices.Sorted(maps.Keys(s.files[f.Name()])), s.broken["list"]
}

func (s standInKernel) get(f *os.File, name string) ([]byte, error) {
	value, ok := s.files[f.Name()][name]
	switch {
	case s.broken[name] != nil:
		return nil, s.broken[name]
	case !ok:
		return nil, unix.ENODATA
	}
	return []byte(value), nil
}

func (s standInKernel) set(f *os.File, name string, value []byte) error {
	if s.asked != nil {
		s.asked(f, name)
	}
	if err := s.refuse[name]; err != nil {
		return err
	}
	return s.standIn.put(f.Name(), name, string(value))
}

func (s standInKernel) peek(at *durable.Folder, file, name string) ([]byte, error) {
	value, ok := s.files[at.Join(file)][name]
	if !ok {
		return nil, unix.ENODATA
	}
	return []byte(value), nil
}

// is makes content ours.
func is(content string) func(secret.Value) bool {
	return func(v secret.Value) bool { return v.Equal(secret.New(content)) }
}

// replace delivers content over what is known to be before.
func replace(t *testing.T, s *sink, target, before, content string) {
	t.Helper()
	must(t, s.Write(t.Context(), target, secret.New(content), sinks.WriteOptions{RotationID: "r", Ours: is(before)}))
	wantContent(t, target, content)
}

func wantAttribute(t *testing.T, s shelf, path, name, want string) {
	t.Helper()
	if got, ok := s.get(path, name); !ok || got != want {
		t.Errorf("%s = %q (there %t), want %q", name, got, ok, want)
	}
}

func wantNone(t *testing.T, s shelf, path string, names ...string) {
	t.Helper()
	for _, name := range names {
		if got, ok := s.get(path, name); ok {
			t.Errorf("%s = %q, want none", name, got)
		}
	}
}

func warnings(t *testing.T, s *sink, target string, ours func(secret.Value) bool) string {
	t.Helper()
	h, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true, Ours: ours})
	must(t, err)
	return strings.Join(h.Warnings, "\n")
}
