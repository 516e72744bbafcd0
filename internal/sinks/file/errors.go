package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
)

type cause struct {
	class  fault.Class
	reason fault.Reason
	hint   string // {file} and {folder} are where it failed, {target} is the sink's
}

// causes says what each error of the kernel means here and what to do about it.
var causes = []struct {
	errno error
	cause
}{
	{unix.EACCES, cause{fault.Permanent, fault.Forbidden, "let rotatord's user read, write and search {folder}, and read {target}"}},
	{unix.EPERM, cause{fault.Permanent, fault.Forbidden, "let rotatord's user make and replace files in {folder}: look at owners, sticky and immutable bits, also of {file}"}},
	{unix.EROFS, cause{fault.Permanent, fault.Storage, "the file system is read-only: remount it, or under systemd add {folder} to ReadWritePaths="}},
	{unix.ENOSPC, cause{fault.Retry, fault.Full, "free space or inodes on the file system of {folder}"}},
	{unix.EDQUOT, cause{fault.Retry, fault.Full, "raise the disk quota of rotatord's user"}},
	{unix.EFBIG, cause{fault.Retry, fault.Full, "raise the file size limit (LimitFSIZE=)"}},
	{unix.EBUSY, cause{fault.Retry, fault.Storage, "{file} is in use: mount its folder where the file alone is mounted, or close it where another program has it open"}},
	{unix.ETXTBSY, cause{fault.Retry, fault.Storage, "{file} is in use: close it where another program has it open"}},
	{unix.EINVAL, cause{fault.Permanent, fault.Invalid, "the file system of {folder} does not take this: correct path, or choose a folder elsewhere"}},
	{unix.EOVERFLOW, cause{fault.Permanent, fault.Invalid, "the file system of {folder} has no such user or group: look at the id mapping of its mount"}},
	{unix.EIO, cause{fault.Retry, fault.Storage, "check the disk under {folder} and the kernel's log"}},
	{unix.ENOTDIR, cause{fault.Permanent, fault.Invalid, "a part of the path is not a folder: correct path, or move it away"}},
	{unix.EISDIR, cause{fault.Permanent, fault.Invalid, "move the folder away, or correct path"}},
	{unix.ELOOP, cause{fault.Permanent, fault.Invalid, "symbolic links in the path lead in a circle"}},
	{unix.ENAMETOOLONG, cause{fault.Permanent, fault.Invalid, "shorten path"}},
	{unix.EWOULDBLOCK, cause{fault.Retry, fault.Conflict, "stop the other process that writes {target}"}},
	{unix.EEXIST, cause{fault.Retry, fault.Conflict, "stop the other process that writes {target}"}},
	{context.DeadlineExceeded, cause{fault.Retry, fault.Timeout, "check the disk under {folder}: a network file system may hang"}},
	{context.Canceled, cause{fault.Retry, fault.Canceled, ""}},
}

func classify(err error) cause {
	for _, c := range causes {
		if errors.Is(err, c.errno) {
			return c.cause
		}
	}
	return cause{fault.Retry, fault.Storage, "check the disk under {folder}"}
}

// explain gives err as a *fault.Error, with a hint for the operator.
func explain(op, target string, err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) && f.Op != "" {
		return err
	}
	if f != nil {
		f.Op, f.Object = op, target
		return f
	}
	c := classify(err)
	out := &fault.Error{Class: c.class, Reason: c.reason, Op: op, Object: target, Err: err}
	if c.hint == "" {
		return out
	}
	return out.WithHint("%s", withPlaces(c.hint, target, err))
}

func withPlaces(hint, target string, err error) string {
	folder, file := placeOf(err, target)
	return strings.NewReplacer("{folder}", folder, "{file}", file, "{target}", target).Replace(hint)
}

// placeOf gives the file that err is about, and its folder. Of a path above the target that is the folder
// itself or, when it could not be made, the one that was to hold it.
func placeOf(err error, target string) (folder, file string) {
	path, op := target, ""
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		path, op = p.Path, p.Op
	case errors.As(err, &l):
		path = l.New
	}
	switch above := strings.HasPrefix(target, strings.TrimSuffix(path, "/")+"/"); {
	case above && op == "mkdir":
		return filepath.Dir(path), target
	case above:
		return path, target
	}
	return filepath.Dir(path), path
}
