package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	linux "golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/test/harness"
)

// terminal is one at which somebody uses rotatord.
type terminal struct {
	screen *os.File // what they see; closing it closes the terminal
	end    *os.File // of the process
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	screen := harness.Must[*os.File](t)(os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0))
	t.Cleanup(func() { _ = screen.Close() })
	number := -1
	conn := harness.Must[syscall.RawConn](t)(screen.SyscallConn()) // unlike Fd, it lets Close end a Read
	harness.Check(t, conn.Control(func(fd uintptr) {
		if linux.IoctlSetPointerInt(int(fd), linux.TIOCSPTLCK, 0) == nil {
			number, _ = linux.IoctlGetInt(int(fd), linux.TIOCGPTN)
		}
	}))
	end := harness.Must[*os.File](t)(os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0))
	t.Cleanup(func() { _ = end.Close() })
	return &terminal{screen, end}
}

// launchAt runs a command at a terminal. In its foreground a process gets a hangup when it closes, elsewhere none.
func (w *world) launchAt(term *terminal, foreground bool, args ...string) *daemon {
	w.t.Helper()
	cmd := w.command(args...)
	cmd.Stdin = term.end
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: foreground}
	d := &daemon{world: w, logs: &output{}}
	cmd.Stdout, cmd.Stderr = term.end, term.end
	d.Process = rotatord.Start(w.t, cmd)
	_ = term.end.Close()
	go func() { // ends with the terminal
		text := make([]byte, 4096)
		for n, err := term.screen.Read(text); err == nil; n, err = term.screen.Read(text) {
			_, _ = d.logs.Write(text[:n])
		}
	}()
	return d
}

func TestDevAtATerminalKeepsItsBannerInSightAndEndsWithIt(t *testing.T) {
	t.Parallel()
	for name, foreground := range map[string]bool{"in its foreground": true, "beside it": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, term := newWorld(t, 0), newTerminal(t)
			d := w.launchAt(term, foreground, "dev")
			tokens := map[string]bool{}
			d.until(func() error {
				files, _ := filepath.Glob(w.Path("rotatord-dev-*/tokens/dev/subscribe.token"))
				for _, f := range files {
					text, _ := os.ReadFile(f)
					tokens[string(text)] = true
				}
				if len(tokens) < 4 {
					return fmt.Errorf("%d tokens so far", len(tokens))
				}
				return nil
			})
			_, after, said := strings.Cut(d.logs.String(), "Ctrl-C stops and cleans up")
			if !said || strings.Count(after, "\n") > 2 {
				t.Errorf("after three rotations the terminal shows:\n%s", d.logs.tail(40))
			}
			harness.Check(t, term.screen.Close())
			if code := d.wait(); code != 0 {
				t.Errorf("it ended with %s", d.State())
			}
			if left, _ := filepath.Glob(w.Path("rotatord-dev-*")); len(left) > 0 {
				t.Errorf("it leaves %v behind", left)
			}
		})
	}
}

func TestAtATerminalAStartThatFailsIsToldInPlainText(t *testing.T) {
	t.Parallel()
	w, term := newWorld(t, 1), newTerminal(t)
	w.Put("config.yaml", "relays: {}\nno: good\n")
	d := w.launchAt(term, true, "run")
	if code := d.wait(); code != 2 {
		t.Errorf("exit code %d", code)
	}
	harness.Eventually(t, patience, "reading the terminal", func() error {
		if text := d.logs.String(); !strings.Contains(text, "config.yaml:2:1: no: unknown key") || strings.Contains(text, `"level"`) {
			return fmt.Errorf("it shows %s", text)
		}
		return nil
	})
}
