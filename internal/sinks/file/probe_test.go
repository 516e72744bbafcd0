package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// refusal is what both Probe and Write must say of a target.
type refusal struct {
	class  fault.Class
	reason fault.Reason
	hint   string
}

func wantRefusal(t *testing.T, what string, err error, want refusal) {
	t.Helper()
	f := fault.Of(err)
	if f == nil || f.Class != want.class || f.Reason != want.reason || !strings.Contains(f.Hint, want.hint) {
		t.Errorf("%s: %+v\nwant %s, %s, hint with %q", what, err, want.class, want.reason, want.hint)
	}
}

func TestProbePredictsWhatWriteWillSay(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) (target string)
		change  func(*Config)
		want    refusal
	}{
		"a folder at the target": {
			prepare: func(t *testing.T, dir string) string { return dir },
			want:    refusal{fault.Permanent, fault.Invalid, "move the folder away"},
		},
		"a named pipe at the target": {
			prepare: func(t *testing.T, dir string) string {
				must(t, unix.Mkfifo(dir+"/pipe", 0o600))
				return dir + "/pipe"
			},
			want: refusal{fault.Permanent, fault.Invalid, "move it away"},
		},
		"a file among the folders": {
			prepare: func(t *testing.T, dir string) string {
				must(t, os.WriteFile(dir+"/file", nil, 0o600))
				return dir + "/file/token"
			},
			want: refusal{fault.Permanent, fault.Invalid, "not a folder"},
		},
		"a link in a circle among the folders": {
			prepare: func(t *testing.T, dir string) string {
				must(t, os.Symlink("circle", dir+"/circle"))
				return dir + "/circle/token"
			},
			want: refusal{fault.Permanent, fault.Invalid, "circle"},
		},
		"a name too long": {
			prepare: func(_ *testing.T, dir string) string { return dir + "/" + strings.Repeat("x", 256) },
			want:    refusal{fault.Permanent, fault.Invalid, "shorten"},
		},
		"an unknown owner": {
			change: func(c *Config) { c.Owner = "no-such-user" },
			want:   refusal{fault.Permanent, fault.Invalid, "owner"},
		},
		"an unknown group": {
			change: func(c *Config) { c.Group = "no-such-group" },
			want:   refusal{fault.Permanent, fault.Invalid, "group"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := dir + "/token"
			if c.prepare != nil {
				target = c.prepare(t, dir)
			}
			s := openWith(t, c.change, hooks{})
			_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
			wantRefusal(t, "Probe", err, c.want)
			wantRefusal(t, "Write", s.Write(t.Context(), target, secret.New("value"), sinks.WriteOptions{RotationID: "r"}), c.want)
		})
	}
}

func TestProbePredictsAFullOrReadOnlyFileSystem(t *testing.T) {
	for name, c := range map[string]struct {
		fs   unix.Statfs_t
		want refusal
	}{
		"no space":  {unix.Statfs_t{Blocks: 100, Bsize: 4096}, refusal{fault.Retry, fault.Full, "free some"}},
		"no inodes": {unix.Statfs_t{Files: 10}, refusal{fault.Retry, fault.Full, "free some"}},
		"read-only": {unix.Statfs_t{Flags: unix.ST_RDONLY}, refusal{fault.Permanent, fault.Storage, "ReadWritePaths="}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openWith(t, nil, hooks{statfs: func(_ string, st *unix.Statfs_t) error { *st = c.fs; return nil }})
			_, err := s.Probe(t.Context(), filepath.Join(t.TempDir(), "new/token"), sinks.ProbeOptions{Read: true})
			wantRefusal(t, "Probe", err, c.want)
		})
	}
}

func TestProbePredictsWhatTheKernelWillRefuse(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	forbidden := func(hint string) refusal { return refusal{fault.Permanent, fault.Forbidden, hint} }
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		change  func(*Config)
		want    refusal
	}{
		"no write permission":  {func(t *testing.T, d string) { chmod(t, d, 0o500) }, nil, forbidden("write")},
		"no search permission": {func(t *testing.T, d string) { chmod(t, d, 0o600) }, nil, forbidden("write")},
		"another's owner":      {nil, func(c *Config) { c.Owner = "0" }, forbidden("CAP_CHOWN")},
		"another's group":      {nil, func(c *Config) { c.Group = "0" }, forbidden("SupplementaryGroups=")},
		"not to be read back":  {nil, func(c *Config) { c.Mode = "0040" }, forbidden("verify: false")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.prepare != nil {
				c.prepare(t, dir)
				t.Cleanup(func() { chmod(t, dir, 0o700) })
			}
			_, err := openWith(t, c.change, hooks{}).Probe(t.Context(), filepath.Join(dir, "token"), sinks.ProbeOptions{Read: true})
			wantRefusal(t, "Probe", err, c.want)
		})
	}
	t.Run("a target that cannot be read is not known, unless it must be", func(t *testing.T) {
		target := filepath.Join(t.TempDir(), "token")
		must(t, os.WriteFile(target, []byte("value"), 0o200))
		s := openWith(t, nil, hooks{})
		if got, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: false}); err != nil || got.Known {
			t.Errorf("Probe = %+v, %v; want not known", got, err)
		}
		_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
		wantRefusal(t, "Probe", err, forbidden("read"))
	})
}

func TestProbeMakesNoFolders(t *testing.T) {
	dir := t.TempDir()
	if _, err := openWith(t, nil, hooks{}).Probe(t.Context(), dir+"/a/b/token", sinks.ProbeOptions{Read: true}); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, dir); len(got) != 0 {
		t.Errorf("the folder holds %q", got)
	}
}

func TestAFileTooLargeToBeOursIsForeign(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(target, make([]byte, maxSize+1), 0o600))
	got, err := openWith(t, nil, hooks{}).Read(t.Context(), target)
	if err != nil || !got.Known || !got.Exists || !got.Content.IsEmpty() {
		t.Errorf("Read = %+v, %v; want something foreign", got, err)
	}
}
