package file

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Each test is a script of somebody who has a folder on the way to a target, or may write to one. Root runs
// them as nobody, too.

// land is a folder that others may change, and a victim that they want rotatord to write to.
type land struct{ dir, open, victim string }

func newLand(t *testing.T) land {
	t.Helper()
	dir := t.TempDir()
	l := land{dir, dir + "/open", dir + "/victim"}
	must(t, os.Mkdir(l.open, 0o700))
	chmod(t, l.open, 0o777)
	must(t, os.Mkdir(l.victim, 0o700))
	return l
}

// wantUntouched demands that the victim is as it was.
func (l land) wantUntouched(t *testing.T) {
	t.Helper()
	if got := entries(t, l.victim); len(got) != 0 {
		t.Errorf("the victim holds %q", got)
	}
	if got := stat(t, l.victim); got.Mode&0o7777 != 0o700 || int(got.Gid) != os.Getegid() {
		t.Errorf("the victim has mode %o and group %d", got.Mode&0o7777, got.Gid)
	}
}

var linkIsRefused = refusal{fault.Permanent, fault.Forbidden, "write in path what it leads to"}

// wantAllRefuse demands the same answer of every call.
func wantAllRefuse(t *testing.T, target string, want refusal, text string) {
	t.Helper()
	s := openWith(t, nil, hooks{})
	for what, call := range map[string]func() error{
		"Probe": func() error { _, err := s.Probe(t.Context(), target, trialOptions()); return err },
		"Write": func() error {
			return s.Write(t.Context(), target, secret.New("value"), sinks.WriteOptions{RotationID: "r"})
		},
		"Read":  func() error { _, err := s.Read(t.Context(), target); return err },
		"Place": func() error { _, err := s.Place(t.Context(), target); return err },
	} {
		err := call()
		wantRefusal(t, what, err, want)
		if err != nil && !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v lacks %q", what, err, text)
		}
	}
}

func TestALinkThatOthersCanChangeIsNotFollowed(t *testing.T) {
	unprivileged(t)
	const somebody = 1234
	for name, c := range map[string]struct {
		prepare func(t *testing.T, l land) (target string)
		want    string
		rooted  bool // only root can set it up
	}{
		"everybody writes to its folder": {func(t *testing.T, l land) string {
			must(t, os.Symlink(l.victim, l.open+"/link"))
			return l.open + "/link/token"
		}, "lets everybody write (mode 0777)", false},
		"a group writes to its folder": {func(t *testing.T, l land) string {
			chmod(t, l.open, 0o770)
			must(t, os.Symlink(l.victim, l.open+"/link"))
			return l.open + "/link/token"
		}, "lets its group", false},
		"and the folder is made below it": {func(t *testing.T, l land) string {
			must(t, os.Symlink(l.victim, l.open+"/link"))
			return l.open + "/link/yet/to/come/token"
		}, "lets everybody write", false},
		"it leads to a folder beside it": {func(t *testing.T, l land) string {
			must(t, os.Mkdir(l.open+"/beside", 0o700))
			must(t, os.Symlink("beside", l.open+"/link"))
			return l.open + "/link/token"
		}, "lets everybody write", false},
		"everybody writes further up": {func(t *testing.T, l land) string {
			must(t, os.MkdirAll(l.open+"/a/b", 0o700))
			must(t, os.Symlink(l.victim, l.open+"/a/b/link"))
			return l.open + "/a/b/link/token"
		}, "lets everybody write", false},
		"a link of root's leads to it": {func(t *testing.T, l land) string {
			must(t, os.Symlink(l.victim, l.open+"/link"))
			must(t, os.Symlink("open/link", l.dir+"/ours"))
			return l.dir + "/ours/token"
		}, "lets everybody write", false},
		"a link of root's leads over it and back": {func(t *testing.T, l land) string {
			must(t, os.Symlink(l.victim, l.open+"/link"))
			must(t, os.Symlink("open/link/../victim", l.dir+"/ours"))
			return l.dir + "/ours/token"
		}, "lets everybody write", false},
		"another user has its folder": {func(t *testing.T, l land) string {
			chmod(t, l.open, 0o755)
			must(t, os.Chown(l.open, somebody, -1))
			must(t, os.Symlink(l.victim, l.open+"/link"))
			return l.open + "/link/token"
		}, "belongs to user 1234", true},
		"another user has made it in a sticky folder": {func(t *testing.T, l land) string {
			chmod(t, l.open, 0o777|os.ModeSticky)
			must(t, os.Symlink(l.victim, l.open+"/link"))
			must(t, os.Lchown(l.open+"/link", somebody, -1))
			return l.open + "/link/token"
		}, "it belongs to user 1234", true},
		"another user has the sticky folder": {func(t *testing.T, l land) string {
			chmod(t, l.open, 0o777|os.ModeSticky)
			must(t, os.Chown(l.open, somebody, -1))
			must(t, os.Symlink(l.victim, l.open+"/link"))
			return l.open + "/link/token"
		}, "belongs to user 1234", true},
		"it is another name of one of root's": {func(t *testing.T, l land) string {
			chmod(t, l.open, 0o777|os.ModeSticky)
			must(t, os.Symlink(l.victim, l.dir+"/ours"))
			must(t, unix.Linkat(unix.AT_FDCWD, l.dir+"/ours", unix.AT_FDCWD, l.open+"/link", 0))
			return l.open + "/link/token"
		}, "it has another name", false},
	} {
		if c.rooted && os.Geteuid() != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			l := newLand(t)
			wantAllRefuse(t, c.prepare(t, l), linkIsRefused, c.want)
			l.wantUntouched(t)
		})
	}
}

func TestALinkThatOnlyRootAndWeCanChangeIsFollowed(t *testing.T) {
	unprivileged(t)
	for name, prepare := range map[string]func(t *testing.T, l land) (path string){
		"relative": func(t *testing.T, l land) string { must(t, os.Symlink("victim", l.dir+"/l")); return l.dir + "/l" },
		"absolute": func(t *testing.T, l land) string { must(t, os.Symlink(l.victim, l.dir+"/l")); return l.dir + "/l" },
		"with dots": func(t *testing.T, l land) string {
			must(t, os.Symlink("./open/.././victim/", l.dir+"/l"))
			return l.dir + "/l"
		},
		"further up than /": func(t *testing.T, l land) string {
			must(t, os.Symlink(strings.Repeat("../", 50)+l.victim[1:], l.dir+"/l"))
			return l.dir + "/l"
		},
		"to a link": func(t *testing.T, l land) string {
			must(t, os.Symlink("m", l.dir+"/l"))
			must(t, os.Symlink("victim", l.dir+"/m"))
			return l.dir + "/l"
		},
		"in a sticky folder": func(t *testing.T, l land) string {
			chmod(t, l.open, 0o777|os.ModeSticky)
			must(t, os.Symlink("../victim", l.open+"/l"))
			return l.open + "/l"
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLand(t)
			path := prepare(t, l)
			s := openWith(t, nil, hooks{})
			for _, target := range []string{"/token", "/yet/to/come/token"} {
				tried(t, s, path+target)
				put(t, s, path+target, "value")
				wantContent(t, l.victim+target, "value")
				if h, err := s.Read(t.Context(), path+target); err != nil || h.Content.Reveal() != "value" {
					t.Errorf("Read = %+v, %v", h, err)
				}
			}
		})
	}
}

// What kubelet makes of a volume: a folder 1777 of root's, with a link that is replaced at each update.
func TestLinksOfAMountedVolumeAreFollowed(t *testing.T) {
	dir := t.TempDir()
	volume := dir + "/volume"
	must(t, os.MkdirAll(volume+"/..2026_11_27", 0o755))
	chmod(t, volume, 0o777|os.ModeSticky)
	must(t, os.Symlink("..2026_11_27", volume+"/..data"))
	put(t, openWith(t, nil, hooks{}), volume+"/..data/token", "value")
	wantContent(t, volume+"/..2026_11_27/token", "value")
}

func TestLinksWithoutEndAreRefused(t *testing.T) {
	dir := t.TempDir()
	for i := range 50 {
		must(t, os.Symlink(fmt.Sprint("l", i+1), fmt.Sprint(dir, "/l", i)))
	}
	must(t, os.Mkdir(dir+"/l50", 0o700))
	wantAllRefuse(t, dir+"/l0/token", refusal{fault.Permanent, fault.Invalid, "circle"}, "")
	put(t, openWith(t, nil, hooks{}), dir+"/l20/token", "value")
}

// Whoever has the folder above puts a link where the target's folder was, at whichever step.
func TestAFolderThatIsSwappedAtAnyStepLeadsNowhere(t *testing.T) {
	unprivileged(t)
	for _, s := range append(slices.Clone(writeSteps), stepFolder) {
		for name, rest := range map[string]string{"a folder that is there": "/token", "folders that are missing": "/a/b/token"} {
			for what, call := range map[string]func(*sink, string) error{
				"write": func(s *sink, target string) error {
					return s.Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{RotationID: "r"})
				},
				"probe": func(s *sink, target string) error {
					_, err := s.Probe(t.Context(), target, trialOptions())
					return err
				},
			} {
				t.Run(string(s)+", "+name+", "+what, func(t *testing.T) {
					l := newLand(t)
					must(t, os.Mkdir(l.open+"/moq", 0o700))
					swap := func() error {
						if os.Rename(l.open+"/moq", l.open+"/away") == nil {
							return os.Symlink(l.victim, l.open+"/moq")
						}
						return nil
					}
					_ = call(openWith(t, func(c *Config) { c.Group = gid() }, at(s, swap)), l.open+"/moq"+rest)
					l.wantUntouched(t)
				})
			}
		}
	}
}

// A folder that is yet to be made has its place taken by a link.
func TestALinkInThePlaceOfAFolderThatIsToBeMadeIsNotFollowed(t *testing.T) {
	unprivileged(t)
	l := newLand(t)
	s := openWith(t, nil, at(stepFolder, func() error { return os.Symlink(l.victim, l.open+"/moq") }))
	err := s.Write(t.Context(), l.open+"/moq/token", secret.New("value"), sinks.WriteOptions{RotationID: "r"})
	if err == nil {
		t.Error("the write went somewhere")
	}
	l.wantUntouched(t)
}

// A folder of root's that somebody may move is put in the place of the one that was just made, to be opened to a group.
func TestAnotherFolderInThePlaceOfOneThatWasMadeIsNotOpened(t *testing.T) {
	l := newLand(t)
	var set []string
	old := hooks{
		statx: func(path string, st *unix.Statx_t) error {
			if path == l.open+"/moq" {
				st.Mask, st.Btime.Sec = unix.STATX_BTIME, 1
			}
			return nil
		},
		chown: func(f *os.File, _, _ int) error { set = append(set, f.Name()); return nil },
		chmod: func(f *os.File, _ fs.FileMode) error { set = append(set, f.Name()); return nil },
	}
	s := openWith(t, func(c *Config) { c.Group = "4711" }, old)
	err := s.Write(t.Context(), l.open+"/moq/token", secret.New("value"), sinks.WriteOptions{RotationID: "r"})
	wantRefusal(t, "Write", err, refusal{fault.Retry, fault.Conflict, "stop the other process"})
	if len(set) > 0 {
		t.Errorf("owner or mode were set of %q", set)
	}
}

// A link at the target leads to a file of the victim's: what it grants is not asked for, and it is not synced or read.
func TestALinkAtTheTargetIsReplacedInAFolderOfOthersToo(t *testing.T) {
	unprivileged(t)
	l := newLand(t)
	must(t, os.WriteFile(l.dir+"/secret", []byte("value"), 0o600))
	must(t, os.Symlink(l.dir+"/secret", l.open+"/token"))
	s := openWith(t, nil, hooks{})
	if h, err := s.Read(t.Context(), l.open+"/token"); err != nil || !h.Exists || !h.Content.IsEmpty() {
		t.Errorf("Read = %+v, %v; want something foreign", h, err)
	}
	put(t, s, l.open+"/token", "value")
	if info := lstat(t, l.open+"/token"); !info.Mode().IsRegular() {
		t.Error("the link was followed")
	}
	if got := stat(t, l.dir+"/secret"); got.Mode&0o777 != 0o600 {
		t.Errorf("the file it led to has mode %o", got.Mode)
	}
}

// The content is right already: a named pipe that takes the file's place before it is synced holds up nobody.
func TestAPipeInPlaceOfTheFileThatIsSyncedIsNotWaitedFor(t *testing.T) {
	l := newLand(t)
	target := filepath.Join(l.open, "token")
	put(t, openWith(t, nil, hooks{}), target, "value")
	s := openWith(t, nil, at(stepSync, func() error {
		must(t, os.Remove(target))
		return unix.Mkfifo(target, 0o600)
	}))
	_ = s.Write(t.Context(), target, secret.New("value"), sinks.WriteOptions{RotationID: "r"})
}

// Place names of templates are names: none leads out of its folder.
func TestAPathThatIsNotCleanIsRefused(t *testing.T) {
	for _, target := range []string{"/srv/moq/../../etc/token", "/srv/./moq", "/srv//moq", "srv/moq", "/srv/moq/..", "/srv/\x00"} {
		if _, err := NewConfig().Locate(target); err == nil {
			t.Errorf("%q passes", target)
		}
	}
}
