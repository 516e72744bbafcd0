package logging

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// muteAfter is how long standard error may take nothing before it counts as stuck.
const muteAfter = time.Second

// stderr is standard error as the daemon writes to it: through a descriptor of its own. The descriptor 2,
// to which Go's runtime writes when the process panics and libraries when they please, leads nowhere while
// a write is stuck, so that these cannot get stuck too.
type stderr struct {
	own *os.File

	mu      sync.Mutex
	writing bool
	muted   *os.File // what the descriptor 2 leads to meanwhile
}

// OpenStderr returns a writer to standard error whose descriptor is its own, so that a write that
// blocks holds up neither Go's runtime nor a library that writes there. It fails where w is not
// standard error, as in tests. One goroutine at a time may write to it.
func OpenStderr(w io.Writer) (io.Writer, error) {
	if f, ok := w.(*os.File); !ok || f.Name() != "/dev/stderr" {
		return nil, os.ErrInvalid
	}
	fd, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return &stderr{own: os.NewFile(uintptr(fd), "stderr")}, nil
}

// Write implements io.Writer. It may block for as long as nobody reads.
func (s *stderr) Write(text []byte) (written int, err error) {
	s.begin()
	stuck := time.AfterFunc(muteAfter, s.mute)
	defer func() {
		stuck.Stop()
		s.end()
	}()
	for {
		n, err := s.own.Write(text[written:])
		if written += n; !errors.Is(err, unix.EAGAIN) {
			return written, err
		}
		s.waitForRoom() // somebody with whom we share it has made it non-blocking
	}
}

func (s *stderr) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = true
}

func (s *stderr) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	if s.muted != nil {
		s.lead(s.own)
		_ = s.muted.Close()
		s.muted = nil
	}
}

func (s *stderr) mute() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.writing || s.muted != nil {
		return
	}
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		s.lead(null)
		s.muted = null
	}
}

// lead makes the descriptor 2 lead to where f does.
func (s *stderr) lead(f *os.File) {
	s.control(f, func(fd int) { _ = unix.Dup3(fd, 2, 0) })
}

func (s *stderr) waitForRoom() {
	s.control(s.own, func(fd int) {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(muteAfter.Milliseconds()))
	})
}

func (s *stderr) control(f *os.File, do func(fd int)) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { do(int(fd)) })
	}
}
