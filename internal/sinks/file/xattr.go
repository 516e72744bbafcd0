package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
)

// attributes are the extended attributes of open files.
type attributes interface {
	list(f *os.File) (names []string, err error)
	get(f *os.File, name string) (value []byte, err error)
	set(f *os.File, name string, value []byte) error
	// peek gets one of a file that may not be opened.
	peek(at *durable.Folder, file, name string) (value []byte, err error)
}

func (d disk) xattrs() attributes {
	if d.hooks.attributes != nil {
		return d.hooks.attributes
	}
	return kernel{}
}

// kernel is what really keeps them.
type kernel struct{}

// maxAttribute is Linux's bound on a value, and on a list of names.
const maxAttribute = 64 << 10

func (kernel) list(f *os.File) ([]string, error) {
	b, err := readSized(func(b []byte) (int, error) { return unix.Flistxattr(int(f.Fd()), b) })
	if err != nil || len(b) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"), nil
}

func (kernel) get(f *os.File, name string) ([]byte, error) {
	return readSized(func(b []byte) (int, error) { return unix.Fgetxattr(int(f.Fd()), name, b) })
}

func (kernel) set(f *os.File, name string, value []byte) error {
	return durable.Uninterrupted(func() error { return unix.Fsetxattr(int(f.Fd()), name, value, 0) })
}

func (kernel) peek(at *durable.Folder, file, name string) ([]byte, error) {
	path := fmt.Sprintf("/proc/self/fd/%d/%s", at.Fd(), file) // a call for a name in an open folder is new
	return readSized(func(b []byte) (int, error) { return unix.Lgetxattr(path, name, b) })
}

// readSized asks once more, with all the room there may be need for, if a little was not enough.
func readSized(ask func([]byte) (int, error)) ([]byte, error) {
	var b []byte
	var n int
	of := func(size int) error {
		b = make([]byte, size)
		return durable.Uninterrupted(func() (err error) {
			n, err = ask(b)
			return err
		})
	}
	err := of(256)
	if errors.Is(err, unix.ERANGE) {
		err = of(maxAttribute)
	}
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// grantsNobody reports whether a list says no more than a mode does: a server of NFSv4
// makes one up for every file.
func grantsNobody(a attribute) bool {
	if a.name != "system.nfs4_acl" {
		return false
	}
	x := xdr{a.value, true}
	for n := x.takeNumber(); n > 0 && x.ok; n-- {
		x.takeNumber() // type
		x.takeNumber() // flags
		x.takeNumber() // rights
		switch who := x.takeText(); who {
		case "OWNER@", "GROUP@", "EVERYONE@":
		default:
			return false
		}
	}
	return x.ok && len(x.rest) == 0
}

// xdr reads the form in which NFS sends numbers and texts.
type xdr struct {
	rest []byte
	ok   bool
}

func (x *xdr) takeNumber() uint32 { return binary.BigEndian.Uint32(append(x.takeBytes(4), 0, 0, 0, 0)) }

func (x *xdr) takeText() string {
	n := x.takeNumber()
	text := string(x.takeBytes(n))
	x.takeBytes(-n % 4) // filled up to four
	return text
}

func (x *xdr) takeBytes(n uint32) []byte {
	if uint64(n) > uint64(len(x.rest)) {
		x.ok, x.rest = false, nil
		return nil
	}
	taken := x.rest[:n:n]
	x.rest = x.rest[n:]
	return taken
}
