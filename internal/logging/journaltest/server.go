// Package journaltest is a stand-in for systemd's journal, for tests: it takes entries in the journal's own protocol.
package journaltest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Server takes entries at a socket.
type Server struct {
	*net.UnixConn
	Dir, Socket string // Dir is all the socket's, and Socket its path
}

// Start has a server listen until the test ends.
func Start(t testing.TB) Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "journal") // its path is short, as a socket's must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return Server{conn, dir, socket}
}

// Next waits for an entry, and returns its fields.
func (s Server) Next() (map[string]string, error) {
	text, oob := make([]byte, 1<<20), make([]byte, 64)
	n, rights, _, _, err := s.ReadMsgUnix(text, oob)
	if err != nil {
		return nil, err
	}
	if text = text[:n]; rights > 0 {
		if text, err = contentOf(oob[:rights]); err != nil {
			return nil, err
		}
	}
	return fieldsOf(text)
}

// contentOf returns the entry in a file, which nobody may be able to change any more.
func contentOf(oob []byte) ([]byte, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&unix.F_SEAL_WRITE == 0 {
		return nil, fmt.Errorf("a file that can be changed: seals %d (%w)", seals, err)
	}
	return io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
}

func fieldsOf(text []byte) (map[string]string, error) {
	fields := map[string]string{}
	for len(text) > 0 {
		head, rest, ended := bytes.Cut(text, []byte("\n"))
		name, value, oneLine := strings.Cut(string(head), "=")
		if !ended {
			return nil, fmt.Errorf("%q does not end", head)
		}
		if !oneLine {
			if len(rest) < 8 || uint64(len(rest)-8) <= binary.LittleEndian.Uint64(rest) {
				return nil, errors.New(name + " is longer than its entry")
			}
			size := binary.LittleEndian.Uint64(rest)
			value, rest = string(rest[8:8+size]), rest[8+size+1:]
		}
		fields[name], text = value, rest
	}
	return fields, nil
}
