package file

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
)

// minFree is the room a write must find, besides folders and content: two small files.
const minFree = 32 << 10

// mayWrite finds out, changing nothing, whether a write of size bytes would succeed.
func (d disk) mayWrite(target string, size int, who owner) error {
	w, err := walk(target)
	if err != nil {
		return err
	}
	defer w.Close() //nolint:errcheck // nothing is written
	if err := d.checkWritable(w.Folder); err != nil {
		return err
	}
	if err := d.hasRoom(w, size); err != nil {
		return err
	}
	info, err := d.lstatTarget(w)
	if err != nil {
		return err
	}
	if info != nil {
		if err := d.checkMayReplace(w.Folder, w.name, info); err != nil {
			return err
		}
	}
	if err := d.checkRemovable(w); err != nil {
		return err
	}
	return d.mayOwn(who)
}

// checkWritable asks the kernel with the effective ids; it knows access lists and
// read-only file systems too.
func (d disk) checkWritable(at *durable.Folder) error {
	// It is read when it is synced.
	err := durable.Uninterrupted(func() error {
		return unix.Faccessat(at.Fd(), ".", unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	})
	if err != nil {
		return &fs.PathError{Op: "write to", Path: at.Path(), Err: err}
	}
	if d.hasAttribute(at, ".", unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) {
		return &fs.PathError{Op: "write to", Path: at.Path(), Err: unix.EPERM}
	}
	return nil
}

// checkMayReplace knows what keeps a file from being replaced in a writable folder:
// the sticky bit, and attributes of the file.
func (d disk) checkMayReplace(at *durable.Folder, name string, info fs.FileInfo) error {
	dir, err := at.Stat()
	if err != nil {
		return err
	}
	ours := func(i fs.FileInfo) bool { return int(sysOf(i).Uid) == os.Geteuid() }
	if dir.Mode()&fs.ModeSticky != 0 && !ours(dir) && !ours(info) && !hasCapability(unix.CAP_FOWNER) {
		return &fs.PathError{Op: "replace", Path: at.Join(name), Err: unix.EPERM}
	}
	if d.hasAttribute(at, name, unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) {
		return &fs.PathError{Op: "replace", Path: at.Join(name), Err: unix.EPERM}
	}
	return nil
}

// hasAttribute reports whether what is called name has one of the attributes; a file system that
// does not tell has none.
func (d disk) hasAttribute(at *durable.Folder, name string, attributes uint64) bool {
	var st unix.Statx_t
	err := d.statx(at, name, unix.STATX_TYPE, &st)
	return err == nil && st.Attributes&attributes != 0
}

// hasRoom reports whether the file system takes the names, and has the space and the inodes, of all that a
// write makes: the folders that are missing, and the temporary file.
func (d disk) hasRoom(w *way, size int) error {
	var st unix.Statfs_t
	if err := d.statfs(w.Folder, &st); err != nil {
		return &fs.PathError{Op: "statfs", Path: w.Path(), Err: err}
	}
	if st.Flags&unix.ST_RDONLY != 0 {
		return &fs.PathError{Op: "write to", Path: w.Path(), Err: unix.EROFS}
	}
	free, block := st.Bavail, uint64(max(st.Frsize, 0))
	if hasCapability(unix.CAP_SYS_RESOURCE) {
		free = st.Bfree
	}
	if block == 0 {
		block = uint64(max(st.Bsize, 0))
	}
	folders := uint64(len(w.missing))
	switch need := minFree + folders*block + uint64(size); {
	case st.Blocks > 0 && free*block < need:
		return noRoom(w.Path(), "bytes", free*block, need)
	case st.Files > 0 && st.Ffree < folders+1:
		return noRoom(w.Path(), "inodes", st.Ffree, folders+1)
	}
	return w.namesFit(&st)
}

func noRoom(folder, what string, free, need uint64) error {
	return fault.Newf(fault.Retry, fault.Full, "", "", "the file system of %s has %d %s free, and %d are needed", folder, free, what, need).
		WithHint("free some on the file system of %s", folder)
}
