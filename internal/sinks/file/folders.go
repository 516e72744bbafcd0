package file

import (
	"errors"
	"io/fs"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
)

// folderMode is the mode of a folder that write makes.
const folderMode = 0o750

// prepareFolder makes the target's folder where it is missing, and removes what a trial left behind where the
// folder was to come.
func (d disk) prepareFolder(w *way, who owner) error {
	if w.isWhole() {
		return nil
	}
	if err := w.removeStale(); err != nil {
		return err
	}
	return d.makeFolders(w, who)
}

// makeFolders makes what is missing on the way, the outermost first, each durable
// in its parent before the next.
func (d disk) makeFolders(w *way, who owner) error {
	for !w.isWhole() {
		if err := d.makeFolder(w, w.missing[0], who); err != nil {
			return err
		}
		below, err := w.Enter(w.missing[0])
		if err != nil {
			return err
		}
		if err := w.goInto(below); err != nil {
			return err
		}
		w.missing = w.missing[1:]
	}
	return nil
}

func (d disk) makeFolder(w *way, name string, who owner) error {
	if err := d.beforeStep(stepFolder); err != nil {
		return err
	}
	if err := makeWithGroup(w.Folder, name); err != nil {
		if errors.Is(err, fs.ErrExist) { // made by a neighbour just now
			return nil
		}
		return err
	}
	if err := d.ownFolder(w, name, who.folderGID); err != nil {
		return err
	}
	return d.syncFolder(w.Folder)
}

// makeWithGroup makes a folder. Below one that hands its group on it is made with its final mode, whatever the
// umask: a mode that is set later takes the bit away from a folder whose group this process is not in.
func makeWithGroup(at *durable.Folder, name string) error {
	above, err := at.Stat()
	if err != nil || above.Mode()&fs.ModeSetgid == 0 {
		return at.Mkdir(name, folderMode)
	}
	made := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this function, and its umask with it
		if unix.Unshare(unix.CLONE_FS) == nil {
			unix.Umask(0)
		}
		made <- at.Mkdir(name, folderMode)
	}()
	return <-made
}

// ownFolder gives a new folder its group and mode. It keeps the bit by which what is made in it gets its
// group: it comes from the folder above, which somebody set up so.
func (d disk) ownFolder(w *way, name string, gid int) error {
	made, err := w.Enter(name)
	if err != nil {
		return err
	}
	defer made.Close() //nolint:errcheck // nothing is written to it
	if w.doubt != "" && !d.isNewborn(made) {
		return &fs.PathError{Op: "mkdir", Path: made.Path(), Err: unix.EEXIST}
	}
	f, err := made.Open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := d.giveGroup(f, info, gid); err != nil {
		return err
	}
	if info.Mode().Perm() == folderMode {
		return nil
	}
	if err := d.chmod(f, folderMode|info.Mode()&fs.ModeSetgid); err != nil && !refusesModes(err) {
		return err
	}
	return nil
}

// isNewborn reports whether a folder was made just now, as far as its file system tells when it was: somebody who can
// may have put another one in the place of ours, for us to open to a group.
func (d disk) isNewborn(folder *durable.Folder) bool {
	var st unix.Statx_t
	err := d.statx(folder, ".", unix.STATX_BTIME, &st)
	return err != nil || st.Mask&unix.STATX_BTIME == 0 || time.Since(time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))) < time.Minute
}
