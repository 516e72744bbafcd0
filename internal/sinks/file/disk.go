package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// step names a moment at which a machine may stop or a disk may fail.
type step string

const (
	stepLook       step = "look at the target"
	stepFolder     step = "make a folder"
	stepCreate     step = "create the temporary file"
	stepOwn        step = "set owner and mode"
	stepWrite      step = "write"
	stepSync       step = "sync the file"
	stepRename     step = "rename"
	stepSyncFolder step = "sync the folder"
)

// disk does the file system's part. It is stateless.
type disk struct{ hooks hooks }

// read gives what target holds, never following a symbolic link at target.
func (d disk) read(target string) (sinks.Holding, error) {
	if err := d.at(stepLook); err != nil {
		return sinks.Holding{}, err
	}
	// O_NONBLOCK: opening a named pipe must not wait for a writer.
	f, err := os.OpenFile(target, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) //nolint:gosec // the operator names the file
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return sinks.Holding{Known: true}, nil
	case err != nil:
		return foreignLink(target, err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return sinks.Holding{}, err
	}
	if err := regular(info); err != nil {
		return sinks.Holding{}, err
	}
	return contentOf(f)
}

// foreignLink tells a symbolic link at target from one in the folders above it.
func foreignLink(target string, err error) (sinks.Holding, error) {
	if info, lerr := os.Lstat(target); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
		return sinks.Holding{Known: true, Exists: true}, nil
	}
	return sinks.Holding{}, err
}

func contentOf(f *os.File) (sinks.Holding, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	switch {
	case err != nil:
		return sinks.Holding{}, err
	case len(b) > maxSize:
		return sinks.Holding{Known: true, Exists: true}, nil
	}
	return sinks.Holding{Known: true, Exists: true, Content: secret.New(string(b))}, nil
}

// regular refuses what a rename must not replace. A symbolic link passes: it is replaced.
func regular(info fs.FileInfo) error {
	switch t := info.Mode().Type(); {
	case info.IsDir():
		return fault.Newf(fault.Permanent, fault.Invalid, "", "", "the target is a folder").
			WithHint("move the folder away, or correct path")
	case t != 0 && t != fs.ModeSymlink:
		return fault.Newf(fault.Permanent, fault.Invalid, "", "", "the target is no regular file (%s)", info.Mode()).
			WithHint("move it away, or correct path")
	}
	return nil
}

// look is Lstat of target; info is nil when there is nothing.
func (d disk) look(target string) (fs.FileInfo, error) {
	if err := d.at(stepLook); err != nil {
		return nil, err
	}
	info, err := os.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // nothing there is no error
	case err != nil:
		return nil, err
	}
	if err := regular(info); err != nil {
		return info, err
	}
	if d.mountPoint(target) {
		return info, errMountPoint(target)
	}
	return info, nil
}

// write makes target a file that holds content, whole or not at all.
func (d disk) write(ctx context.Context, target string, content secret.Value, mode fs.FileMode, who owner) error {
	info, err := d.look(target)
	if err != nil {
		return err
	}
	right := info != nil && who.has(info, mode)
	if right && d.holds(target, content) {
		return d.settle(target)
	}
	if err := d.prepare(target, who); err != nil {
		return err
	}
	p, err := d.create(temporary(target), target)
	if err != nil {
		return err
	}
	defer p.file.Close() //nolint:errcheck // closed by then, but for a panic: it would keep its lock
	if err := p.fill(content, mode, who); err != nil {
		return errors.Join(err, p.cancel())
	}
	if err := ctx.Err(); err != nil { // nobody waits for it: a newer value may be on its way
		return errors.Join(err, p.cancel())
	}
	if info != nil && !right && p.isLike(info) && d.holds(target, content) { // it is as right as can be there
		return errors.Join(p.cancel(), d.settle(target))
	}
	return p.commit()
}

func (d disk) holds(target string, content secret.Value) bool {
	h, err := d.read(target)
	return err == nil && h.Exists && h.Content.Equal(content)
}

// settle makes sure that a file which is already right is durable too.
func (d disk) settle(target string) error {
	if err := d.at(stepSync); err != nil {
		return err
	}
	if err := syncPath(target, unix.O_NOFOLLOW); err != nil {
		return err
	}
	return d.syncFolder(filepath.Dir(target))
}

func (d disk) syncFolder(path string) error {
	if err := d.at(stepSyncFolder); err != nil {
		return err
	}
	if err := d.sync(path); !hasNoSuchCall(err) {
		return err
	}
	return nil // its file system makes names durable in its own way, and does not let itself be asked
}

func syncPath(path string, flags int) error {
	f, err := os.OpenFile(path, os.O_RDONLY|flags, 0) //nolint:gosec // the operator names the path
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// pending is a file on its way to target. It ends with exactly one of commit and cancel.
type pending struct {
	disk
	file   *os.File
	target string
	given  fs.FileInfo // what own made of it
}

// temporary is the one name of target's temporary file. It does not grow with
// the target's own, and finding a stale one takes no listing of the folder.
func temporary(target string) string {
	return temporaryIn(filepath.Dir(target), target)
}

// temporaryIn is the one name of target's temporary file in a folder on the way to it.
func temporaryIn(folder, target string) string {
	sum := sha256.Sum256([]byte(below(folder, target)))
	return filepath.Join(folder, ".rotatord-"+hex.EncodeToString(sum[:16])+".tmp")
}

// below is the rest of path behind a folder on the way to it.
func below(folder, path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, folder), "/")
}

// create makes the temporary file, in place of one that a crash left.
func (d disk) create(path, target string) (*pending, error) {
	if err := d.at(stepCreate); err != nil {
		return nil, err
	}
	f, err := createExclusive(path)
	if errors.Is(err, fs.ErrExist) {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		f, err = createExclusive(path)
	}
	if err != nil {
		return nil, err
	}
	return &pending{disk: d, file: f, target: target}, nil
}

// createExclusive makes a file and locks it, so that another process can tell
// it from a stale one.
func createExclusive(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the folder
	if err != nil {
		return nil, err
	}
	err = lock(f)
	if err == nil && !named(f, path) { // taken for stale before it was locked
		err = taken(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// named reports whether path is the name of f.
func named(f *os.File, path string) bool {
	info, err := f.Stat()
	now, lerr := os.Lstat(path)
	return err == nil && lerr == nil && os.SameFile(info, now)
}

func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return taken(f.Name())
	}
	return nil // a file system without locks: nothing can be learnt
}

func taken(path string) error {
	return &fs.PathError{Op: "create", Path: path, Err: unix.EWOULDBLOCK}
}

// fill gives the file its owner and mode first, so that its content is never
// there for others to see.
func (p *pending) fill(content secret.Value, mode fs.FileMode, who owner) error {
	if err := p.at(stepOwn); err != nil {
		return err
	}
	if err := p.own(mode, who); err != nil {
		return err
	}
	if err := p.at(stepWrite); err != nil {
		return err
	}
	if _, err := p.file.WriteString(content.Reveal()); err != nil {
		return err
	}
	if err := p.at(stepSync); err != nil {
		return err
	}
	return p.file.Sync()
}

// commit puts the file in the target's place and makes that durable.
func (p *pending) commit() error {
	if err := p.at(stepRename); err != nil {
		return errors.Join(err, p.cancel())
	}
	if err := os.Rename(p.file.Name(), p.target); err != nil {
		return errors.Join(err, p.cancel())
	}
	if err := p.file.Close(); err != nil {
		return err
	}
	return p.syncFolder(filepath.Dir(p.target))
}

// cancel leaves the target as it was, and no temporary file.
func (p *pending) cancel() error {
	return errors.Join(os.Remove(p.file.Name()), p.file.Close())
}

func sysOf(info fs.FileInfo) *syscall.Stat_t {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return &syscall.Stat_t{}
	}
	return st
}
