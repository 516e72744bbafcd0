package harness

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clockVariable names the file by which a rotatord with a clock of its own has it set.
const clockVariable = "ROTATORD_TEST_CLOCK"

// shiftedNow is what a program with clocks of its own has beside Go's time.Now: how many seconds they are ahead, as
// a file says at each call, the wall clock's in its first eight bytes, the elapsed time's in the next.
const shiftedNow = `package time

import (
	"syscall"
	"unsafe"
)

var shift = mapShift()

// Leapt is how far ahead the elapsed time is.
func Leapt() Duration { return Duration(shift[1]) * Second }

func mapShift() *[2]int64 {
	name, ok := syscall.Getenv("` + clockVariable + `")
	if !ok {
		return new([2]int64)
	}
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("` + clockVariable + `: " + err.Error())
	}
	page, err := syscall.Mmap(fd, 0, 16, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("` + clockVariable + `: " + err.Error())
	}
	_ = syscall.Close(fd)
	return (*[2]int64)(unsafe.Pointer(&page[0]))
}
`

// NewClockBinary prepares a rotatord whose wall clock and elapsed time a Clock moves, and nothing else: timers and the
// machine's own clocks go on as ever. Remove it at the end.
func NewClockBinary(name string) *Binary {
	b := NewBinary(name, false)
	b.overlay = writeClockOverlay
	return b
}

// writeClockOverlay writes, in dir, what the build takes in place of Go's own time.Now, and of how rotatord reads
// elapsed time.
func writeClockOverlay(dir string) (path string, err error) {
	root, err := goOutput("env", "GOROOT")
	if err != nil {
		return "", err
	}
	module, err := goOutput("list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return "", err
	}
	pkg := filepath.Join(root, "src", "time")
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	now, err := replaced(filepath.Join(pkg, "time.go"), reading, reading+"\tsec += shift[0]\n")
	if err != nil {
		return "", err
	}
	elapsed := filepath.Join(module, "internal", "daemon", "clock.go")
	const sum = "return time.Duration(ts.Nano())"
	leaping, err := replaced(elapsed, sum, sum+" + time.Leapt()")
	if err != nil {
		return "", err
	}
	return writeOverlay(dir, map[string]string{
		filepath.Join(pkg, "time.go"): now, filepath.Join(pkg, "shift_unix.go"): shiftedNow, elapsed: leaping,
	})
}

func goOutput(args ...string) (string, error) {
	out, err := exec.Command("go", args...).Output()
	return strings.TrimSpace(string(out)), err
}

// replaced returns a file's text with one passage replaced.
func replaced(path, former, next string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if strings.Count(string(text), former) != 1 {
		return "", fmt.Errorf("%s is another one now: write test/harness/clock.go anew", path)
	}
	return strings.Replace(string(text), former, next, 1), nil
}

// writeOverlay writes the texts, and what `go build -overlay` takes to have them in the place of files.
func writeOverlay(dir string, texts map[string]string) (path string, err error) {
	overlay := map[string]map[string]string{"Replace": {}}
	for file, text := range texts {
		own := filepath.Join(dir, filepath.Base(file)) // no two have one name
		overlay["Replace"][file] = own
		if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	doc, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, doc, 0o600)
}

// Clock is the clocks of the rotatords of one test, if they were built for it.
type Clock struct {
	t    testing.TB
	path string
}

// NewClock makes clocks that are right.
func NewClock(t testing.TB) *Clock {
	t.Helper()
	c := &Clock{t, filepath.Join(t.TempDir(), "clock")}
	Check(t, os.WriteFile(c.path, make([]byte, 16), 0o600))
	return c
}

// Env is the variable that has a process go by the clocks.
func (c *Clock) Env() string { return clockVariable + "=" + c.path }

// SetAhead sets the wall clock, of processes that run, too: so many whole seconds ahead of the right time.
func (c *Clock) SetAhead(d time.Duration) {
	c.t.Helper()
	c.set(0, d)
}

// Leap has so many whole seconds have passed in all, of the elapsed time, more than have.
func (c *Clock) Leap(d time.Duration) {
	c.t.Helper()
	c.set(8, d)
}

func (c *Clock) set(offset int64, d time.Duration) {
	c.t.Helper()
	f, err := os.OpenFile(c.path, os.O_WRONLY, 0)
	Check(c.t, err)
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(d/time.Second))), offset)
	Check(c.t, err)
	Check(c.t, f.Close())
}
