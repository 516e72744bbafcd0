package file

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
)

// meanings says what each error of the kernel means here and what to do about it. {file} and {folder} are
// where it failed, {target} is the sink's.
var meanings = fault.Table[error]{
	fault.When(fault.Is(unix.EACCES), fault.Permanent, fault.Forbidden,
		"let rotatord's user read, write and search {folder}, and read {target}"),
	fault.When(fault.Is(unix.EPERM), fault.Permanent, fault.Forbidden,
		"let rotatord's user make and replace files in {folder}: look at owners, sticky and immutable bits, also of {file}"),
	fault.When(fault.Is(unix.EROFS), fault.Permanent, fault.Storage,
		"the file system is read-only: remount it, or under systemd add {folder} to ReadWritePaths= and restart rotatord, "+
			"which helps, too, where the folder was made anew"),
	fault.When(fault.Is(unix.ENOSPC), fault.Retry, fault.Full,
		"free space or inodes on the file system of {folder}"),
	fault.When(fault.Is(unix.EDQUOT), fault.Retry, fault.Full,
		"raise the disk quota of rotatord's user"),
	fault.When(fault.Is(unix.EFBIG), fault.Retry, fault.Full,
		"raise the file size limit (LimitFSIZE=)"),
	fault.When(fault.Is(unix.EBUSY), fault.Retry, fault.Storage,
		"{file} is in use: mount its folder where the file alone is mounted, or close it where another program has it open"),
	fault.When(fault.Is(unix.ETXTBSY), fault.Retry, fault.Storage,
		"{file} is in use: close it where another program has it open"),
	fault.When(fault.Is(unix.EINVAL), fault.Permanent, fault.Invalid,
		"the file system of {folder} does not take this: correct path, or choose a folder elsewhere"),
	fault.When(fault.Is(unix.EOVERFLOW), fault.Permanent, fault.Invalid,
		"the file system of {folder} has no such user or group: look at the id mapping of its mount"),
	fault.When(fault.Is(unix.EIO), fault.Retry, fault.Storage,
		"check the disk under {folder} and the kernel's log"),
	fault.When(fault.Is(unix.ENOTDIR), fault.Permanent, fault.Invalid,
		"a part of the path is not a folder: correct path, or move it away"),
	fault.When(fault.Is(unix.EISDIR), fault.Permanent, fault.Invalid,
		"move the folder away, or correct path"),
	fault.When(fault.Is(unix.ELOOP), fault.Permanent, fault.Invalid,
		"symbolic links in the path lead in a circle"),
	fault.When(fault.Is(unix.ENAMETOOLONG), fault.Permanent, fault.Invalid, "shorten path"),
	fault.When(fault.Is(unix.EWOULDBLOCK, unix.EEXIST), fault.Retry, fault.Conflict,
		"stop the other process that writes {target}"),
	fault.When(fault.Is(context.DeadlineExceeded), fault.Retry, fault.Timeout,
		"check the disk under {folder}: a network file system may hang"),
	fault.When(fault.Is(context.Canceled), fault.Retry, fault.Canceled, ""),
	fault.When(fault.Is(unix.EMFILE, unix.ENFILE), fault.Retry, fault.Storage,
		"raise the limit of open files (LimitNOFILE=, fs.file-max)"),
	fault.When(fault.Any[error], fault.Retry, fault.Storage, "check the disk under {folder}"),
}
