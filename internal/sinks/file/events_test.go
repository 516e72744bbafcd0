package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
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

// changes are the events that tell a watcher of something new; the others are about reading.
const changes = unix.IN_CREATE | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CLOSE_WRITE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE

// watch returns a function that lists the changes in dir since the last call, in order.
func watch(t *testing.T, dir string) func() []string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	must(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	_, err = unix.InotifyAddWatch(fd, dir, unix.IN_ALL_EVENTS)
	must(t, err)
	return func() []string {
		b := make([]byte, 64<<10)
		n, err := unix.Read(fd, b)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		must(t, err)
		var out []string
		for b = b[:n]; len(b) > 0; {
			mask, size := binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[12:])
			name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:][:size], "\x00"))
			if b = b[unix.SizeofInotifyEvent+size:]; mask&changes != 0 {
				out = append(out, fmt.Sprintf("%s %s", name, changeNames[mask&changes]))
			}
		}
		return out
	}
}

var changeNames = map[uint32]string{
	unix.IN_CREATE: "CREATE", unix.IN_MODIFY: "MODIFY", unix.IN_ATTRIB: "ATTRIB", unix.IN_CLOSE_WRITE: "CLOSE_WRITE",
	unix.IN_MOVED_FROM: "MOVED_FROM", unix.IN_MOVED_TO: "MOVED_TO", unix.IN_DELETE: "DELETE",
}

// about are the events of one name.
func about(name string, events []string) []string {
	return slices.DeleteFunc(slices.Clone(events), func(e string) bool { return !strings.HasPrefix(e, name+" ") })
}

func TestAWatcherOfTheFolderSeesOneEvent(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	s := openWith(t, func(c *Config) { c.Owner, c.Group = uid(), gid() }, hooks{})
	events := watch(t, filepath.Dir(target))
	for _, content := range []string{"one", "two"} {
		put(t, s, target, content)
		_ = (onDisk{}).put(target, "user.x", "1") // to be handed on, where that works
		got := events()
		if mine := about("token", got); !slices.Equal(slices.DeleteFunc(mine, isByHand), []string{"token MOVED_TO"}) {
			t.Errorf("%s: the target had %q", content, mine)
		}
		if made := about(filepath.Base(temporaryBeside(target)), got); !slices.Contains(made, filepath.Base(temporaryBeside(target))+" CLOSE_WRITE") {
			t.Errorf("%s: the writer was not seen to close the temporary file: %q", content, got)
		}
	}
	put(t, s, target, "two")
	if got := events(); len(got) > 0 {
		t.Errorf("what changes nothing had the events %q", got)
	}
}

// isByHand reports whether an event is the test's own change of an attribute.
func isByHand(event string) bool { return strings.HasSuffix(event, " ATTRIB") }

// The lock lasts as long as the file has the temporary name, though the writer has closed it.
func TestTheLockOutlivesTheWriter(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	met := false
	s := openWith(t, nil, at(stepRename, func() error {
		met = true
		if err := durable.RemoveStale(opened(t, filepath.Dir(target)), filepath.Base(temporaryBeside(target))); !errors.Is(err, unix.EWOULDBLOCK) {
			t.Errorf("before the rename: %v, want the lock", err)
		}
		return nil
	}))
	put(t, s, target, "value")
	if !met {
		t.Error("the rename was not met")
	}
}

func TestNoDescriptorIsLeft(t *testing.T) {
	for _, s := range writeSteps {
		for name, fail := range map[string]func() error{
			"goes well": func() error { return nil },
			"fails":     func() error { return unix.EIO },
			"panics":    func() error { panic(errCrash) },
		} {
			target := filepath.Join(t.TempDir(), "token")
			put(t, openWith(t, nil, hooks{}), target, "old")
			_ = openWith(t, nil, at(s, fail)).Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{RotationID: "r"})
			if got := descriptorsBelow(t, filepath.Dir(target)); len(got) > 0 {
				t.Errorf("%s %s: still open: %q", s, name, got)
			}
		}
	}
}

func descriptorsBelow(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	for _, fd := range entries(t, "/proc/self/fd") {
		if path, err := os.Readlink("/proc/self/fd/" + fd); err == nil && strings.HasPrefix(path, dir) {
			out = append(out, path)
		}
	}
	return out
}
