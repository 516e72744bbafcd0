package harness

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clockVariable names the file by which a rotatord with a clock of its own has it set.
const clockVariable = "ROTATORD_TEST_CLOCK"

// shiftedNow is what a program with a clock of its own has beside Go's time.Now: how many seconds ahead it is, as
// the first eight bytes of a file say at each call.
const shiftedNow = `package time

import (
	"syscall"
	"unsafe"
)

var shift = mapShift()

func mapShift() *int64 {
	name, ok := syscall.Getenv("` + clockVariable + `")
	if !ok {
		return new(int64)
	}
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("` + clockVariable + `: " + err.Error())
	}
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("` + clockVariable + `: " + err.Error())
	}
	_ = syscall.Close(fd)
	return (*int64)(unsafe.Pointer(&page[0]))
}
`

// NewClockBinary prepares a rotatord whose wall clock a Clock moves, and nothing else: timers, elapsed time and the
// machine's own clock go on as ever. Remove it at the end.
func NewClockBinary(name string) *Binary {
	b := NewBinary(name, false)
	b.overlay = writeClockOverlay
	return b
}

// writeClockOverlay writes, in dir, what the build takes in place of Go's own time.Now.
func writeClockOverlay(dir string) (path string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	pkg := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(pkg, "time.go"))
	if err != nil {
		return "", err
	}
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(source), reading) != 1 {
		return "", errors.New("time.Now is another one in this Go: write test/harness/clock.go anew")
	}
	replaced := map[string]string{
		"time.go":       strings.Replace(string(source), reading, reading+"\tsec += *shift\n", 1),
		"shift_unix.go": shiftedNow,
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for name, text := range replaced {
		own := filepath.Join(dir, name)
		overlay["Replace"][filepath.Join(pkg, name)] = own
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

// Clock is the wall clock of the rotatords of one test, if they were built for it.
type Clock struct {
	t    testing.TB
	path string
}

// NewClock makes a clock that is right.
func NewClock(t testing.TB) *Clock {
	t.Helper()
	c := &Clock{t, filepath.Join(t.TempDir(), "clock")}
	c.SetAhead(0)
	return c
}

// Env is the variable that has a process go by the clock.
func (c *Clock) Env() string { return clockVariable + "=" + c.path }

// SetAhead sets the clock, of processes that run, too: so many whole seconds ahead of the right time.
func (c *Clock) SetAhead(d time.Duration) {
	c.t.Helper()
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE, 0o600)
	Check(c.t, err)
	_, err = f.Write(binary.NativeEndian.AppendUint64(nil, uint64(int64(d/time.Second))))
	Check(c.t, err)
	Check(c.t, f.Close())
}
