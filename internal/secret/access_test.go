package secret

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stranger is a user and a group that neither owns nor holds anything of the test's.
const stranger = 54321

// insider is the process as it is; outsider one that is in no group of the test's files; other one that runs as somebody else.
func insider(warn func(string)) Access { return ThisProcess(nil, warn) }

func outsider(warn func(string)) Access {
	a := insider(warn)
	a.groups = []int{stranger}
	return a
}

func layout(t *testing.T, dirMode, fileMode fs.FileMode) (dir, file string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "dir")
	file = filepath.Join(dir, "file")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	id, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(id.keys[0].String()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // so that it can be removed
	for path, mode := range map[string]fs.FileMode{dir: dirMode, file: fileMode} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir, file
}

func TestWhoMayReachASecret(t *testing.T) {
	for _, c := range []struct {
		name       string
		dir, file  fs.FileMode
		who        func(func(string)) Access
		credential bool
		refused    string // "" if it is not
	}{
		{"ours alone", 0o700, 0o600, insider, false, ""},
		{"a Kubernetes Secret", fs.ModeSticky | 0o777, 0o440, insider, false, ""},
		{"a group of the process", 0o750, 0o640, insider, false, ""},
		{"another group", 0o750, 0o640, outsider, false, "which rotatord is not in"},
		{"a credential of systemd", 0o550, 0o440, outsider, true, ""},
		{"a Kubernetes Secret for everybody", fs.ModeSticky | 0o777, 0o444, insider, false, "defaultMode"},
		{"for everybody", 0o700, 0o644, insider, false, "chmod 640"},
		{"a credential for everybody", 0o700, 0o644, insider, true, "chmod 640"},
		{"in a folder where everybody writes", 0o777, 0o600, insider, false, "others may replace"},
		{"in a folder where a group of the process writes", 0o775, 0o600, insider, false, ""},
		{"in a folder where another group writes", 0o775, 0o600, outsider, false, "others may replace"},
	} {
		dir, file := layout(t, c.dir, c.file)
		a := c.who(func(string) { t.Errorf("%s: a warning", c.name) })
		if c.credential {
			a.credentials = dir
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, c.name, a.checkSecret(file, info), c.refused)
		if now, _ := os.Stat(file); now.Mode() != info.Mode() {
			t.Errorf("%s: its mode was changed to %s", c.name, now.Mode())
		}
	}
}

func wantRefused(t *testing.T, name string, err error, words string) {
	t.Helper()
	if refused := err != nil && words != "" && strings.Contains(err.Error(), words); refused != (words != "") || (err == nil) != (words == "") {
		t.Errorf("%s: %v, want %q", name, err, words)
	}
}

func TestWhoMayReachAnIdentity(t *testing.T) {
	for _, c := range []struct {
		name      string
		dir, file fs.FileMode
		who       func(func(string)) Access
		refused   string
		now       fs.FileMode
		warnings  int
	}{
		{"as it is made", 0o700, 0o600, insider, "", 0o600, 0},
		{"as kubelet leaves it for an fsGroup", fs.ModeSetgid | 0o770, 0o660, insider, "", 0o660, 0},
		{"in a Kubernetes Secret", fs.ModeSticky | 0o777, 0o440, insider, "", 0o440, 0},
		{"for another group", 0o700, 0o660, outsider, "", 0o600, 1},
		{"for everybody", 0o700, 0o644, insider, "chmod 600", 0o644, 0},
		{"written by everybody", 0o700, 0o602, insider, "chmod 600", 0o602, 0},
		{"in a folder where everybody writes", 0o777, 0o600, insider, "others may replace", 0o600, 0},
		{"somebody else's", 0o700, 0o600, func(warn func(string)) Access {
			a := insider(warn)
			a.uid = stranger
			return a
		}, "it belongs to the user", 0o600, 0},
	} {
		_, file := layout(t, c.dir, c.file)
		if os.Getuid() == 0 && c.name == "somebody else's" {
			if err := os.Chown(file, stranger+1, -1); err != nil {
				t.Fatal(err)
			}
		}
		var warnings []string
		_, err := LoadIdentity(file, c.who(func(text string) { warnings = append(warnings, text) }))
		wantRefused(t, c.name, err, c.refused)
		info, statErr := os.Stat(file)
		if statErr != nil || info.Mode().Perm() != c.now || len(warnings) != c.warnings {
			t.Errorf("%s: its mode is %s (%v), warnings %q", c.name, info.Mode(), statErr, warnings)
		}
	}
}

func TestWhoMayReachTheStateFolder(t *testing.T) {
	for _, c := range []struct {
		name      string
		dir, file fs.FileMode
		who       func(func(string)) Access
		refused   string
		dirNow    fs.FileMode
		fileNow   fs.FileMode
		warnings  int
	}{
		{"as it is made", 0o700, 0o600, insider, "", 0o700, 0o600, 0},
		{"with an fsGroup", fs.ModeSetgid | 0o775, 0o660, insider, "", fs.ModeSetgid | 0o775, 0o660, 0},
		{"sticky", fs.ModeSticky | 0o777, 0o600, insider, "", fs.ModeSticky | 0o777, 0o600, 0},
		{"ours, for everybody", 0o777, 0o666, insider, "", 0o770, 0o660, 2},
		{"ours, for another group", fs.ModeSetgid | 0o775, 0o664, outsider, "", fs.ModeSetgid | 0o700, 0o600, 2},
		{"readable", 0o755, 0o644, insider, "", 0o755, 0o640, 1},
		{"an emptyDir", 0o777, 0o600, func(warn func(string)) Access {
			a := insider(warn)
			a.uid = stranger
			return a
		}, filepath.Join("dir", "state"), 0o777, 0o600, 0},
	} {
		dir, file := layout(t, c.dir, c.file)
		var warnings []string
		a := c.who(func(text string) { warnings = append(warnings, text) })
		err := a.CheckOwnFolder(dir)
		if err == nil {
			err = a.CheckOwnFile(file)
		}
		wantRefused(t, c.name, err, c.refused)
		dirInfo, _ := os.Stat(dir)
		fileInfo, _ := os.Stat(file)
		if dirInfo.Mode() != c.dirNow|fs.ModeDir || fileInfo.Mode() != c.fileNow || len(warnings) != c.warnings {
			t.Errorf("%s: the modes are %s and %s, warnings %q", c.name, dirInfo.Mode(), fileInfo.Mode(), warnings)
		}
	}
}

func TestAProcessKnowsItsSupplementaryGroups(t *testing.T) {
	groups, err := os.Getgroups()
	a := ThisProcess(nil, nil)
	if err != nil || !slices.Contains(a.groups, os.Getegid()) || len(a.groups) != len(groups)+1 || a.uid != os.Geteuid() {
		t.Errorf("%+v, %v", a, err)
	}
}
