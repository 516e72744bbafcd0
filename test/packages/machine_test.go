package packages

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is one of its own, made of this one's files: what is changed there is gone with it.
type machine struct {
	shared string // a folder that is /mnt there
	init   string // its first process, as this machine numbers it
}

// What a machine's first process is.
const (
	systemd = "systemd"
	nothing = "nothing" // no init system, as in a chroot or while an image is built
)

// Where this fails, CI unpacks the packages and no more.
func TestAMachineBoots(t *testing.T) {
	boot(t, systemd).run(t, "systemctl", "list-units")
}

// boot starts a machine, which ends with the test.
func boot(t *testing.T, init string) *machine {
	t.Helper()
	folder := t.TempDir()
	m := &machine{shared: filepath.Join(folder, "shared")}
	check(t, os.Mkdir(m.shared, 0o755))
	up := listen(t, filepath.Join(m.shared, "up"))
	var said bytes.Buffer
	script, err := filepath.Abs("testdata/machine.sh")
	check(t, err)
	cmd := exec.Command("unshare", "--mount", script, folder, init)
	cmd.Stdout, cmd.Stderr = &said, &said
	check(t, cmd.Start())
	t.Cleanup(func() { m.end(t, cmd) })
	awaitReady(t, up, &said)
	check(t, up.Close()) // its systemd goes on telling, and would wait for a reader
	m.init = child(t, child(t, strconv.Itoa(cmd.Process.Pid)))
	return m
}

func listen(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	up, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	check(t, err)
	t.Cleanup(func() { _ = up.Close() })
	check(t, up.SetReadDeadline(time.Now().Add(2*time.Minute)))
	return up
}

func awaitReady(t *testing.T, up *net.UnixConn, said *bytes.Buffer) {
	t.Helper()
	for message := make([]byte, 4096); ; {
		n, err := up.Read(message)
		if err != nil {
			t.Fatalf("the machine does not come up: %v\n%s", err, said)
		}
		if bytes.Contains(message[:n], []byte("READY=1")) {
			return
		}
	}
}

// child returns the only child of a process.
func child(t *testing.T, pid string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	check(t, err)
	children := strings.Fields(string(b))
	if len(children) != 1 {
		t.Fatalf("process %s has the children %q, want one", pid, children)
	}
	return children[0]
}

// end has its first process die, and all others with it.
func (m *machine) end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if m.init == "" {
		_ = cmd.Process.Kill()
	} else if pid, err := strconv.Atoi(m.init); err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
		t.Errorf("the machine's first process %s cannot be ended: %v", m.init, err)
	}
	_ = cmd.Wait()
}

// try runs a command there, and returns what it printed.
func (m *machine) try(name string, args ...string) (string, error) {
	enter := []string{"--target", m.init, "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root", "--wd", "--", name}
	cmd := exec.Command("nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root", "SYSTEMD_PAGER=", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run runs a command there that must succeed.
func (m *machine) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := m.try(name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// fails runs a command there that must fail, and say why.
func (m *machine) fails(t *testing.T, why, name string, args ...string) {
	t.Helper()
	if out, err := m.try(name, args...); err == nil || !strings.Contains(out, why) {
		t.Errorf("%s %s: %v, and not for %q:\n%s", name, strings.Join(args, " "), err, why, out)
	}
}

// write puts a file there; its owner is root, its mode 0600, or what they were.
func (m *machine) write(t *testing.T, path, text string) {
	t.Helper()
	check(t, os.WriteFile(filepath.Join("/proc", m.init, "root", path), []byte(text), 0o600))
}

// is tells whether a file has a type, a mode and an owner there, as in "-rw-r----- root rotatord".
func (m *machine) is(t *testing.T, path, want string) {
	t.Helper()
	if got := strings.TrimSpace(m.run(t, "stat", "-c", "%A %U %G", path)); got != want {
		t.Errorf("%s is %s, want %s", path, got, want)
	}
}

// isGone tells that there is no such file there.
func (m *machine) isGone(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := m.try("test", "-e", path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
