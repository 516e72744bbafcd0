package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

const (
	unit   = "systemd/rotatord.service"
	dropIn = "systemd/large-fleet.conf"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// systemd runs one of systemd's tools. Without it, which only happens off CI, ok is false.
func systemd(t *testing.T, name string, args ...string) (out string, ok bool) {
	t.Helper()
	tool, found := harness.FindTool(t, name)
	if !found {
		return "", false
	}
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	b, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, b)
	}
	return string(b), true
}

// installed is a copy of the unit that starts a program which is there.
func installed(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rotatord.service")
	text := strings.ReplaceAll(read(t, unit), "/usr/bin/rotatord", self)
	if !strings.Contains(text, "ExecStart="+self+" run\n") {
		t.Fatal("the unit does not start /usr/bin/rotatord")
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSystemdUnderstandsEveryLineOfTheUnit(t *testing.T) {
	if out, ok := systemd(t, "systemd-analyze", "verify", installed(t)); ok && strings.Contains(out, "rotatord.service") {
		t.Errorf("systemd-analyze verify complains:\n%s", out)
	}
}

func TestSystemdUnderstandsTheDropInForALargeFleet(t *testing.T) {
	path := installed(t)
	if err := os.Mkdir(path+".d", 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(path+".d", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("large-fleet.conf", read(t, dropIn))
	out, ok := systemd(t, "systemd-analyze", "verify", path)
	if !ok {
		return
	}
	if strings.Contains(out, "rotatord.service") {
		t.Errorf("systemd-analyze verify complains:\n%s", out)
	}
	put("wrong.conf", "[Service]\nMemoryMost=1G\n")
	if out, _ := systemd(t, "systemd-analyze", "verify", path); !strings.Contains(out, "MemoryMost") {
		t.Errorf("a drop-in is not looked at:\n%s", out)
	}
}

// The drop-in gives more than the unit, and both slow rotatord down before they end it.
func TestMemoryIsLimited(t *testing.T) {
	last := 0
	for _, name := range []string{unit, dropIn} {
		for _, key := range []string{"MemoryHigh", "MemoryMax"} {
			m := regexp.MustCompile(`(?m)^` + key + `=(\d+)([MG])$`).FindStringSubmatch(read(t, name))
			if m == nil {
				t.Fatalf("%s has no %s", name, key)
			}
			size, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			if m[2] == "G" {
				size *= 1024
			}
			if size <= last {
				t.Errorf("%s: %s is %d MiB, not more than %d", name, key, size, last)
			}
			last = size
		}
	}
}

func TestTheUnitIsHardened(t *testing.T) {
	out, ok := systemd(t, "systemd-analyze", "security", "--offline=true", installed(t))
	if !ok {
		return
	}
	m := regexp.MustCompile(`Overall exposure level for .*: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no exposure level in:\n%s", out)
	}
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > 1.5 {
		t.Errorf("the exposure level is %s, more than 1.5:\n%s", m[1], out)
	}
}

// What a score does not tell.
func TestTheUnitKeepsWhatTheGuaranteesNeed(t *testing.T) {
	text := read(t, unit)
	for line, why := range map[string]string{
		"LimitCORE=0":                         "a core dump holds values",
		"StateDirectory=":                     "the journal must outlive the service",
		"StateDirectoryMode=0700":             "the journal is nobody else's",
		"RuntimeDirectory=":                   "the admin socket needs a folder",
		"LoadCredential=":                     "the API token comes as a credential",
		"WatchdogSec=":                        "a daemon that hangs is restarted",
		"Type=notify":                         "systemd waits for readiness",
		"TimeoutStopSec=35s":                  "rotatord takes up to 30 s to stop",
		"SystemCallFilter=@chown":             "a file sink gives files their group",
		"ExecReload=/usr/bin/rotatord reload": "systemctl reload fails on a broken file",
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("%s is not set: %s", line, why)
		}
	}
	for line, why := range map[string]string{
		"ProcSubset=pid":            "it hides the boot's id",
		"PrivateUsers=yes":          "it hides the groups of files",
		"RestartPreventExitStatus=": "a crash of a Go program ends with 2, as a wrong configuration does",
	} {
		if strings.Contains(text, "\n"+line) {
			t.Errorf("%s is set: %s", line, why)
		}
	}
}

func TestTheUsersAndFoldersCanBeMade(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	users, err := filepath.Abs("systemd/rotatord.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := systemd(t, "systemd-sysusers", "--root="+root, users); !ok {
		return
	}
	if text := read(t, filepath.Join(root, "etc/passwd")); !strings.HasPrefix(text, "rotatord:") {
		t.Errorf("the user was not made: %s", text)
	}
}

func TestTheImageHoldsNothingButRotatordAndRunsAsNobodySpecial(t *testing.T) {
	text := read(t, "../Dockerfile")
	for _, want := range []string{"\nFROM scratch\n", "\nENTRYPOINT [\"/rotatord\"]\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile has no line %q", strings.TrimSpace(want))
		}
	}
	m := regexp.MustCompile(`(?m)^USER (\d+):(\d+)$`).FindStringSubmatch(text)
	if m == nil || m[1] == "0" {
		t.Fatal("the image's user is not a number other than root's: Kubernetes' runAsNonRoot needs one")
	}
	if chown := fmt.Sprintf("--chown=%s:%s", m[1], m[2]); !strings.Contains(text, chown) {
		t.Errorf("the folders of the image do not belong to its user (%s)", chown)
	}
}
