package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

func TestWhatErrorsOfTheKernelMean(t *testing.T) {
	const target = "/srv/moq/live/token"
	var page faulttest.Page
	errs := []error{context.DeadlineExceeded, context.Canceled, errors.New("surprise")}
	for _, errno := range []unix.Errno{
		unix.EACCES, unix.EPERM, unix.EROFS, unix.ENOSPC, unix.EDQUOT, unix.EFBIG, unix.EBUSY, unix.ETXTBSY, unix.EINVAL, unix.EOVERFLOW,
		unix.EIO, unix.ENOTDIR, unix.EISDIR, unix.ELOOP, unix.ENAMETOOLONG, unix.EWOULDBLOCK, unix.EEXIST, unix.ENOENT, unix.ESTALE, unix.EMFILE,
	} {
		errs = append(errs, errno)
		page.Add(unix.ErrnoName(errno), toFault("write", target, &fs.PathError{Op: "open", Path: target, Err: errno}))
	}
	page.Add("too late", toFault("write", target, context.DeadlineExceeded))
	page.Add("cancelled", toFault("write", target, context.Canceled))
	page.Add("anything else", toFault("write", target, errors.New("surprise")))
	page.Add("a folder above, to be made", toFault("write", target, &fs.PathError{Op: "mkdir", Path: "/srv/moq", Err: unix.EACCES}))
	page.Add("a folder above", toFault("write", target, &fs.PathError{Op: "open", Path: "/srv/moq", Err: unix.EACCES}))
	page.Add("a rename", toFault("write", target, &os.LinkError{Op: "rename", Old: "/srv/moq/live/.t", New: target, Err: unix.EBUSY}))
	page.Add("an error of our own", toFault("write", target, tooLong("so long")))
	faulttest.EveryRow(t, meanings, errs...)
	page.Compare(t, "testdata/errors.txt")
}
