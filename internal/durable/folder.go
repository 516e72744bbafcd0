package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Folder is an open folder. What is done in it is done there, whatever is put in the place of its path, or
// of a folder above it, meanwhile. No name in it is followed where it is a link.
//
// An os.Root follows links that stay within it, and opens for reading, which a folder that may only be
// searched does not allow.
type Folder struct{ file *os.File }

// OpenFolder opens the folder at path, wherever links in that lead.
func OpenFolder(path string) (*Folder, error) {
	f, err := openAt(unix.AT_FDCWD, path, path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Folder{f}, nil
}

// openAt opens name in the folder dir. The file calls itself path.
func openAt(dir int, name, path string, flags int, mode fs.FileMode) (*os.File, error) {
	var fd int
	err := Uninterrupted(func() (err error) {
		fd, err = unix.Openat(dir, name, flags|unix.O_CLOEXEC, uint32(mode.Perm()))
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Path returns the folder's path as it was when it was opened, without a link that was followed.
func (f *Folder) Path() string { return f.file.Name() }

// Join returns the path of name in the folder.
func (f *Folder) Join(name string) string { return filepath.Join(f.Path(), name) }

// Fd returns the descriptor that calls of the kernel take. It can be used while the folder is open.
func (f *Folder) Fd() int { return int(f.file.Fd()) }

// Close ends the use of the folder.
func (f *Folder) Close() error { return f.file.Close() }

// Stat describes the folder.
func (f *Folder) Stat() (fs.FileInfo, error) { return f.file.Stat() }

// Enter opens the folder called name. It fails with unix.ELOOP where that is a link.
func (f *Folder) Enter(name string) (*Folder, error) {
	// O_DIRECTORY has a file system mounted that is mounted when it is first needed.
	below, err := f.Open(name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err == nil {
		return &Folder{below}, nil
	}
	if errors.Is(err, unix.ENOTDIR) {
		if info, lerr := f.Lstat(name); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, &fs.PathError{Op: "open", Path: f.Join(name), Err: unix.ELOOP}
		}
	}
	return nil, err
}

// Open opens the file called name. It fails with unix.ELOOP where that is a link.
func (f *Folder) Open(name string, flags int, mode fs.FileMode) (*os.File, error) {
	return openAt(f.Fd(), name, f.Join(name), flags|unix.O_NOFOLLOW, mode)
}

// Lstat describes what is called name, which may be a link.
func (f *Folder) Lstat(name string) (fs.FileInfo, error) {
	at, err := f.Open(name, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer at.Close() //nolint:errcheck // nothing was written
	return at.Stat()
}

// Readlink returns where the link called name leads.
func (f *Folder) Readlink(name string) (string, error) {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(f.Fd(), name, b)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: f.Join(name), Err: err}
	}
	return string(b[:n]), nil
}

// Mkdir makes a folder.
func (f *Folder) Mkdir(name string, mode fs.FileMode) error {
	err := Uninterrupted(func() error { return unix.Mkdirat(f.Fd(), name, uint32(mode.Perm())) })
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: f.Join(name), Err: err}
	}
	return nil
}

// Rename gives what is called from the name to, in the place of what has it.
func (f *Folder) Rename(from, to string) error {
	err := Uninterrupted(func() error { return unix.Renameat(f.Fd(), from, f.Fd(), to) })
	if err != nil {
		return &os.LinkError{Op: "rename", Old: f.Join(from), New: f.Join(to), Err: err}
	}
	return nil
}

// Remove removes what is called name, unless it is a folder.
func (f *Folder) Remove(name string) error {
	err := Uninterrupted(func() error { return unix.Unlinkat(f.Fd(), name, 0) })
	if err != nil {
		return &fs.PathError{Op: "remove", Path: f.Join(name), Err: err}
	}
	return nil
}

// Sync makes the names in the folder durable.
func (f *Folder) Sync() error {
	dir, err := openAt(f.Fd(), ".", f.Path(), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Uninterrupted repeats a call that a signal has cut off, as FUSE and NFS let it; os does so by itself.
func Uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
