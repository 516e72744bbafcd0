package web

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/adminapi"
)

// Whatever config accepts as a path has room for what the socket is bound as at first.
func TestTheLongestPathsOfASocketCanBeBound(t *testing.T) {
	const folder, whole = 95, 107 // config refuses more
	top := must(os.MkdirTemp("", "w"))
	defer func() { _ = os.RemoveAll(top) }()
	dir := filepath.Join(top, strings.Repeat("d", folder-len(top)-1))
	for _, base := range []string{"s", strings.Repeat("s", whole-folder-1)} {
		l, err := listenSocket(filepath.Join(dir, base), 0o600, "")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
	if l, err := listenSocket(filepath.Join(dir+"d", "s"), 0o600, ""); err == nil {
		_ = l.Close()
		t.Error("a longer one can be bound, too: config need not refuse it")
	}
}

func TestAnotherDaemonOfTheSameInstallationIsNamed(t *testing.T) {
	o := options(newDaemon())
	o.Listen, o.AdminSocket = "127.0.0.1:0", filepath.Join(t.TempDir(), "s")
	first := New(o)
	start(t, first)
	o.Listen = first.Addr() // the socket is looked at before
	err := New(o).Listen()
	if want := fmt.Sprintf("another daemon answers there (process %d)", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
}

func TestTheAdminSocketKnowsItsPeerAndIsPrivate(t *testing.T) {
	d := newDaemon()
	s, socket := admin(t, d)
	info := must(os.Lstat(socket))
	if info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("mode is %v", info.Mode())
	}
	if entries := must(os.ReadDir(filepath.Dir(socket))); len(entries) != 1 {
		t.Errorf("something was left beside the socket: %v", entries)
	}
	if _, err := adminapi.NewClient(socket).Rotate(t.Context(), "live", "subscribe", true); err != nil {
		t.Fatal(err)
	}
	me := must(user.Current())
	if want := fmt.Sprintf("rotate live subscribe by uid %s (%s) compromised", me.Uid, me.Username); d.lastAsked() != want {
		t.Errorf("asked %q, want %q", d.lastAsked(), want)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestTheAdminSocketsModeAndGroup(t *testing.T) {
	o := options(newDaemon())
	o.AdminSocket, o.AdminSocketMode = filepath.Join(t.TempDir(), "s"), 0o660
	o.AdminSocketGroup = fmt.Sprint(os.Getgid())
	start(t, New(o))
	if info := must(os.Lstat(o.AdminSocket)); info.Mode().Perm() != 0o660 {
		t.Errorf("mode is %v", info.Mode())
	}
	o.AdminSocket, o.AdminSocketGroup = filepath.Join(t.TempDir(), "s"), "no-such-group"
	if err := New(o).Listen(); err == nil || !strings.Contains(err.Error(), "admin_socket_group") {
		t.Errorf("got %v", err)
	}
	if entries := must(os.ReadDir(filepath.Dir(o.AdminSocket))); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestADeadDaemonsSocketIsReplacedALivingOnesIsNot(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	dead := must(net.Listen("unix", socket)).(*net.UnixListener)
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	o := options(newDaemon())
	o.AdminSocket = socket
	start(t, New(o)) // replaces the dead one

	if err := New(o).Listen(); err == nil || !strings.Contains(err.Error(), "another daemon") {
		t.Errorf("got %v", err)
	}
	if _, err := adminapi.NewClient(socket).Slots(t.Context()); err != nil {
		t.Errorf("the living one no longer answers: %v", err)
	}
}

func TestAKilledStartLeavesNothingForGood(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "admin.sock")
	if err := os.Mkdir(privateFolder(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	killed := must(net.Listen("unix", filepath.Join(privateFolder(socket), "s")))
	defer func() { _ = killed.Close() }()
	l := must(listenSocket(socket, 0o600, ""))
	defer func() { _ = l.Close() }()
	if found := must(os.ReadDir(filepath.Dir(socket))); len(found) != 1 {
		t.Errorf("beside the socket there is something else: %v", found)
	}
}

func TestAFileInTheSocketsPlaceIsLeftAlone(t *testing.T) {
	o := options(newDaemon())
	o.AdminSocket = filepath.Join(t.TempDir(), "s")
	writeFile(t, o.AdminSocket, "precious")
	if err := New(o).Listen(); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("got %v", err)
	}
	if b := must(os.ReadFile(o.AdminSocket)); string(b) != "precious" {
		t.Error("it was replaced")
	}
}

func TestClosingLeavesASuccessorsSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	first := must(listenSocket(socket, 0o600, ""))
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	second := must(listenSocket(socket, 0o600, ""))
	defer func() { _ = second.Close() }()
	_ = first.Close()
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	}
}
