package file

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
)

// What Linux takes, and a file system that does not say what it takes.
const (
	pathMost = unix.PathMax - 1
	nameMost = 255
)

// pathFits finds a path that no call of the kernel takes, the temporary file's among them.
func pathFits(target string) error {
	if n := len(target); n > pathMost {
		return tooLong("the path is %d bytes long, and the kernel takes %d", n, pathMost)
	}
	if n := len(temporaryBeside(target)); n > pathMost {
		return tooLong("the path of the temporary file beside the target is %d bytes long, and the kernel takes %d", n, pathMost)
	}
	return nil
}

// namesFit finds a name that the file system does not take, among those that are to be made.
func (w *way) namesFit(st *unix.Statfs_t) error {
	most := nameMost
	if st.Namelen > 0 {
		most = int(st.Namelen)
	}
	if n := len(w.temporary()); n > most {
		return tooLong("the name of the temporary file is %d bytes long, and the file system of %s takes %d", n, w.Path(), most)
	}
	names := append(slices.Clone(w.missing), w.name)
	if _, err := w.look(); err == nil {
		return nil // it was taken
	}
	for _, name := range names {
		if len(name) > most {
			return tooLong("the name %.32q… in the path is %d bytes long, and the file system of %s takes %d", name, len(name), w.Path(), most)
		}
	}
	return nil
}

func tooLong(format string, args ...any) error {
	return fault.Newf(fault.Permanent, fault.Invalid, "", "", format, args...).WithHint("shorten path")
}
