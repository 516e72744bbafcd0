package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// folderMode is the mode of a folder that write makes.
const folderMode = 0o750

// nearestExisting is the nearest folder on the way to path that is there.
func nearestExisting(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENAMETOOLONG):
		return nearestExisting(filepath.Dir(path))
	case errors.Is(err, fs.ErrPermission): // a folder above it may not be searched
		above, err := nearestExisting(filepath.Dir(path))
		if err != nil {
			return "", err
		}
		return "", &fs.PathError{Op: "search", Path: above, Err: unix.EACCES}
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", &fs.PathError{Op: "stat", Path: path, Err: unix.ENOTDIR}
	}
	return path, nil
}

// prepareFolder makes the target's folder where it is missing, and removes what a trial left behind where the
// folder was to come.
func (d disk) prepareFolder(target string, who owner) error {
	folder, err := nearestExisting(filepath.Dir(target))
	if err != nil || folder == filepath.Dir(target) {
		return err
	}
	if err := removeStale(temporaryIn(folder, target)); err != nil {
		return err
	}
	return d.makeFolders(filepath.Dir(target), who)
}

// makeFolders makes what is missing of path, the outermost first, each durable
// in its parent before the next.
func (d disk) makeFolders(path string, who owner) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return &fs.PathError{Op: "mkdir", Path: path, Err: unix.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := d.makeFolders(filepath.Dir(path), who); err != nil {
		return err
	}
	return d.makeFolder(path, who)
}

func (d disk) makeFolder(path string, who owner) error {
	if err := d.beforeStep(stepFolder); err != nil {
		return err
	}
	if err := makeWithGroup(path); err != nil {
		if errors.Is(err, fs.ErrExist) { // made by a neighbour just now
			return nil
		}
		return err
	}
	if err := d.ownFolder(path, who.folderGID); err != nil {
		return err
	}
	return d.syncFolder(filepath.Dir(path))
}

// makeWithGroup makes a folder. Below one that hands its group on it is made with its final mode, whatever the
// umask: a mode that is set later takes the bit away from a folder whose group this process is not in.
func makeWithGroup(path string) error {
	above, err := os.Stat(filepath.Dir(path))
	if err != nil || above.Mode()&fs.ModeSetgid == 0 {
		return os.Mkdir(path, folderMode)
	}
	made := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this function, and its umask with it
		if unix.Unshare(unix.CLONE_FS) == nil {
			unix.Umask(0)
		}
		made <- os.Mkdir(path, folderMode)
	}()
	return <-made
}

// ownFolder gives a new folder its group and mode. It keeps the bit by which what is made in it gets its
// group: it comes from the folder above, which somebody set up so.
func (d disk) ownFolder(path string, gid int) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0) //nolint:gosec // the operator names the path
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
