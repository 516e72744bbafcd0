package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
)

// way is what there is of the folders on the way to a target. The last one is open: whoever renames it, or
// puts a link where a folder was, changes nothing for what is done there.
type way struct {
	*durable.Folder
	missing []string // the folders below it that are yet to be made, the outermost first
	name    string   // the target's own, in the last of them
	doubt   string   // who else can change what is below it; "" for nobody
}

// isWhole reports whether the target's folder is there.
func (w *way) isWhole() bool { return len(w.missing) == 0 }

// look describes what is at the target, which may be a link.
func (w *way) look() (fs.FileInfo, error) {
	if !w.isWhole() {
		return nil, &fs.PathError{Op: "stat", Path: w.path(), Err: unix.ENOENT}
	}
	return w.Lstat(w.name)
}

// path returns where the target is, or will be.
func (w *way) path() string {
	return filepath.Join(append(append([]string{w.Path()}, w.missing...), w.name)...)
}

// temporary is the name of target's temporary file in the last folder that is there.
func (w *way) temporary() string { return filepath.Base(temporaryIn(w.Path(), w.path())) }

// goInto goes on to the folder below, and closes the one above.
func (w *way) goInto(below *durable.Folder) error {
	info, err := below.Stat()
	if err != nil {
		return errors.Join(err, below.Close())
	}
	if w.Folder != nil {
		_ = w.Close() // nothing was written to it
	}
	w.Folder = below
	if w.doubt == "" {
		w.doubt = whoElseChanges(below.Path(), info)
	}
	return nil
}

// linksMost is how many links there may be on a way, as for the kernel.
const linksMost = 40

// walk goes to target's folder, as far as there are folders. It follows a link only where nobody but root and this
// process's user can change it: another user could make it lead anywhere, and root may write everywhere.
func walk(target string) (*way, error) {
	if err := pathFits(target); err != nil {
		return nil, err
	}
	w := &way{name: filepath.Base(target)}
	if err := w.restart(); err != nil {
		return nil, err
	}
	if err := w.follow(splitPath(filepath.Dir(target))); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// restart begins at the root.
func (w *way) restart() error {
	root, err := durable.OpenFolder("/")
	if err != nil {
		return err
	}
	return w.goInto(root)
}

func splitPath(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
}

func (w *way) follow(names []string) error {
	for links := 0; len(names) > 0; {
		name := names[0]
		below, err := w.Enter(name)
		switch {
		case errors.Is(err, unix.ELOOP):
			if links++; links > linksMost {
				return err
			}
			to, err := w.readLink(name)
			if err != nil {
				return err
			}
			names = append(to, names[1:]...)
			continue
		case isMissing(err) && !slices.Contains(names, ".."):
			w.missing = names
			return nil
		case errors.Is(err, fs.ErrPermission):
			return &fs.PathError{Op: "search", Path: w.Path(), Err: unix.EACCES}
		case err != nil:
			return err
		}
		if err := w.goInto(below); err != nil {
			return err
		}
		names = names[1:]
	}
	return nil
}

// isMissing reports whether err is that of a folder which is not there. Whether it could be, with that name, is told elsewhere.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENAMETOOLONG)
}

// readLink returns the names that a link stands for, from the folder on that is open then.
func (w *way) readLink(name string) ([]string, error) {
	info, err := w.Lstat(name)
	if err != nil {
		return nil, err
	}
	if who := w.whoElseChangesLink(info); who != "" {
		return nil, linkRefused(w.Join(name), who)
	}
	to, err := w.Readlink(name)
	if err != nil {
		return nil, err
	}
	if filepath.IsAbs(to) {
		err = w.restart()
	}
	return splitPath(to), err
}

// whoElseChangesLink says who, other than root and this process's user, can put another link in the place of
// this one. In a sticky folder that is whoever it belongs to, or whoever has made another name of it.
func (w *way) whoElseChangesLink(link fs.FileInfo) string {
	if w.doubt != "" {
		return w.doubt
	}
	folder, err := w.Stat()
	st := sysOf(link)
	switch {
	case err != nil:
		return fmt.Sprintf("its folder cannot be looked at: %v", err)
	case folder.Mode().Perm()&othersWrite == 0 || isTrusted(link) && st.Nlink == 1:
		return ""
	case !isTrusted(link):
		return fmt.Sprintf("it belongs to user %d, in a folder where others write", st.Uid)
	}
	return "it has another name, and its folder lets others write"
}

// othersWrite are the permissions with which others change what is in a folder. A group's count: who is in
// it is not rotatord's to judge. With an access list they are its mask.
const othersWrite = 0o022

// whoElseChanges says who, other than root and this process's user, can replace what is in a folder; "" for nobody.
func whoElseChanges(path string, folder fs.FileInfo) string {
	switch mode := folder.Mode(); {
	case !isTrusted(folder):
		return fmt.Sprintf("the folder %s belongs to user %d", path, sysOf(folder).Uid)
	case mode.Perm()&othersWrite == 0 || mode&fs.ModeSticky != 0:
		return ""
	case mode.Perm()&0o002 != 0:
		return fmt.Sprintf("the folder %s lets everybody write (mode %#o)", path, mode.Perm())
	default:
		return fmt.Sprintf("the folder %s lets its group %d write (mode %#o)", path, sysOf(folder).Gid, mode.Perm())
	}
}

func isTrusted(info fs.FileInfo) bool {
	uid := int(sysOf(info).Uid)
	return uid == 0 || uid == os.Geteuid()
}

func linkRefused(link, who string) error {
	return notAllowed("the link %s is not followed, because others than root and rotatord's user can change it: %s", link, who).
		WithHint("write in path what it leads to, or let root alone change %s and the folders above it (chown root, chmod go-w)", filepath.Dir(link))
}
