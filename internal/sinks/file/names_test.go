package file

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
)

func TestNamesThatAreTooLongAreFoundBeforeTheirFoldersExist(t *testing.T) {
	long := strings.Repeat("x", 256)
	deep := strings.Repeat("/"+strings.Repeat("y", 200), 21) // 4,221 bytes
	room := func(name int64) hooks {
		return hooks{statfs: func(_ string, st *unix.Statfs_t) error { st.Namelen = name; return nil }}
	}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		target string
		hooks  hooks
		want   string // "" for no error
	}{
		"the file":                              {dir + "/a/" + long, hooks{}, `"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"… in the path is 256 bytes long, and the file system of ` + dir + " takes 255"},
		"a folder":                              {dir + "/a/" + long + "/token", hooks{}, "is 256 bytes long"},
		"the first folder":                      {dir + "/" + long + "/token", hooks{}, "is 256 bytes long"},
		"the longest":                           {dir + "/a/" + long[1:], hooks{}, ""},
		"a file system that says nothing":       {dir + "/a/" + long, room(0), "takes 255"},
		"one that takes less, such as eCryptfs": {dir + "/a/" + long[:144], room(143), "is 144 bytes long, and the file system of " + dir + " takes 143"},
		"and no more":                           {dir + "/a/" + long[:143], room(143), ""},
		"one that takes more":                   {dir + "/a/" + long, room(1530), ""},
		"one too small for us":                  {dir + "/token", room(30), "the name of the temporary file is 46 bytes long"},
		"the path":                              {deep, hooks{}, "the path is 4221 bytes long, and the kernel takes 4095"},
		"the temporary file's path":             {deep[:4090] + "/t", hooks{}, "the path of the temporary file beside the target is 4137 bytes long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openWith(t, nil, c.hooks).Probe(t.Context(), c.target, sinks.ProbeOptions{Read: true})
			if c.want == "" {
				must(t, err)
				return
			}
			wantRefusal(t, "Probe", err, refusal{fault.Permanent, fault.Invalid, "shorten path"})
			if err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.400v\nlacks %q", err, c.want)
			}
		})
	}
}

// A file system may count a name in other units than it says: one that is there was taken.
func TestANameThatIsThereIsNotTooLong(t *testing.T) {
	target := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	put(t, openWith(t, nil, hooks{}), target, "value")
	s := openWith(t, nil, hooks{statfs: func(_ string, st *unix.Statfs_t) error { st.Namelen = 50; return nil }})
	if _, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true}); err != nil {
		t.Error(err)
	}
}

func TestThereMustBeRoomForAllThatIsMade(t *testing.T) {
	probe := func(st unix.Statfs_t, target string) error {
		s := openWith(t, nil, hooks{statfs: func(_ string, out *unix.Statfs_t) error { *out = st; return nil }})
		_, err := s.Probe(t.Context(), target, trialOptions())
		return err
	}
	dir := t.TempDir()
	full := refusal{fault.Retry, fault.Full, "free some"}
	wantRefusal(t, "two inodes for two folders and a file", probe(unix.Statfs_t{Files: 10, Ffree: 2}, dir+"/a/b/token"), full)
	must(t, probe(unix.Statfs_t{Files: 10, Ffree: 3}, dir+"/a/b/token"))
	must(t, probe(unix.Statfs_t{Files: 10, Ffree: 1}, dir+"/token"))

	blocks := func(n uint64) unix.Statfs_t { return unix.Statfs_t{Blocks: 100, Bsize: 4096, Bfree: n, Bavail: n} }
	wantRefusal(t, "8 blocks for a file and its content", probe(blocks(8), dir+"/token"), full)
	must(t, probe(blocks(9), dir+"/token"))
	wantRefusal(t, "10 blocks for two folders and a file", probe(blocks(10), dir+"/a/b/token"), full)
	must(t, probe(blocks(11), dir+"/a/b/token"))

	large := blocks(8)
	large.Bsize, large.Frsize = 1<<20, 4096 // FUSE and NFS count in fragments
	wantRefusal(t, "8 fragments", probe(large, dir+"/token"), full)
}
