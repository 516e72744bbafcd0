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

	"github.com/rotatord/rotatord/internal/durable"
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
	return d.readOnce(target, func(*os.File, fs.FileInfo) {})
}

// readOnce opens target once, and gives what it holds; look is called before that, if a file is there.
func (d disk) readOnce(target string, look func(*os.File, fs.FileInfo)) (sinks.Holding, error) {
	if err := d.beforeStep(stepLook); err != nil {
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
	if err := checkReplaceable(info); err != nil {
		return sinks.Holding{}, err
	}
	look(f, info)
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

// checkReplaceable refuses what a rename must not replace. A symbolic link passes: it is replaced.
func checkReplaceable(info fs.FileInfo) error {
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

// lstatTarget is Lstat of target; info is nil when there is nothing.
func (d disk) lstatTarget(target string) (fs.FileInfo, error) {
	if err := d.beforeStep(stepLook); err != nil {
		return nil, err
	}
	info, err := os.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // nothing there is no error
	case err != nil:
		return nil, err
	}
	if err := checkReplaceable(info); err != nil {
		return info, err
	}
	if d.mountPoint(target) {
		return info, errMountPoint(target)
	}
	return info, nil
}

// write makes target a file that holds content, whole or not at all. What the former file
// grants beside its mode goes on, if ours knows what it holds.
func (d disk) write(ctx context.Context, target string, content secret.Value, mode fs.FileMode, who owner, ours func(secret.Value) bool) error {
	info, err := d.lstatTarget(target)
	if err != nil {
		return err
	}
	var old former
	if info != nil {
		old, _, _ = d.readFormer(target) // one that cannot be read is replaced, too
	}
	if old.needsNoWrite(content, mode, who) {
		return d.syncInPlace(target)
	}
	if err := d.prepareFolder(target, who); err != nil {
		return err
	}
	p, err := d.createTemporary(temporaryBeside(target), target)
	if err != nil {
		return err
	}
	defer p.Close() //nolint:errcheck // closed by then, but for a panic: it would keep its lock
	if _, err := p.fillFile(content, mode, who, old.grantFor(who, ours)); err != nil {
		return errors.Join(err, p.Cancel())
	}
	if err := ctx.Err(); err != nil { // nobody waits for it: a newer value may be on its way
		return errors.Join(err, p.Cancel())
	}
	if old.holdsContent(content) && p.isLike(old) { // it is as right as can be there
		return errors.Join(p.Cancel(), d.syncInPlace(target))
	}
	return p.commitFile()
}

// syncInPlace makes sure that a file which is already right is durable too.
func (d disk) syncInPlace(target string) error {
	if err := d.beforeStep(stepSync); err != nil {
		return err
	}
	if err := syncFile(target); err != nil {
		return err
	}
	return d.syncFolder(filepath.Dir(target))
}

// syncFile makes the content of a file durable, never following a symbolic link.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0) //nolint:gosec // the operator names the path
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d disk) syncFolder(path string) error {
	if err := d.beforeStep(stepSyncFolder); err != nil {
		return err
	}
	return d.durableSystem().SyncFolder(path)
}

// pending is a file on its way to target. It ends with exactly one of commit and Cancel.
type pending struct {
	disk
	*durable.Pending
	target string
	given  fs.FileInfo // what setAccess made of it
}

// temporaryBeside is the one name of target's temporary file. It does not grow with
// the target's own, and finding a stale one takes no listing of the folder.
func temporaryBeside(target string) string {
	return temporaryIn(filepath.Dir(target), target)
}

// temporaryIn is the one name of target's temporary file in a folder on the way to it.
func temporaryIn(folder, target string) string {
	sum := sha256.Sum256([]byte(pathBelow(folder, target)))
	return filepath.Join(folder, ".rotatord-"+hex.EncodeToString(sum[:16])+".tmp")
}

// pathBelow is the rest of path behind a folder on the way to it.
func pathBelow(folder, path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, folder), "/")
}

// createTemporary makes the temporary file, in place of one that a crash left.
func (d disk) createTemporary(path, target string) (*pending, error) {
	if err := d.beforeStep(stepCreate); err != nil {
		return nil, err
	}
	p, err := durable.Create(path)
	if err != nil {
		return nil, staleFault(path, err)
	}
	return &pending{disk: d, Pending: p, target: target}, nil
}

// fillFile gives the file its owner, mode and what the former one grants first, so that its
// content is never there for others to see. It tells what the former had and this one lacks.
func (p *pending) fillFile(content secret.Value, mode fs.FileMode, who owner, from grant) ([]loss, error) {
	if err := p.beforeStep(stepOwn); err != nil {
		return nil, err
	}
	lost, err := p.setAccess(mode, who, from)
	if err != nil {
		return nil, err
	}
	if err := p.beforeStep(stepWrite); err != nil {
		return nil, err
	}
	if _, err := p.File.WriteString(content.Reveal()); err != nil {
		return nil, err
	}
	if err := p.beforeStep(stepSync); err != nil {
		return nil, err
	}
	return lost, p.File.Sync()
}

// commitFile puts the file in the target's place and makes that durable.
func (p *pending) commitFile() error {
	if err := p.CloseWriter(); err != nil {
		return errors.Join(err, p.Cancel())
	}
	if err := p.beforeStep(stepRename); err != nil {
		return errors.Join(err, p.Cancel())
	}
	if err := p.Rename(p.target); err != nil {
		return errors.Join(err, p.Cancel())
	}
	if err := p.Close(); err != nil {
		return err
	}
	return p.syncFolder(filepath.Dir(p.target))
}

func sysOf(info fs.FileInfo) *syscall.Stat_t {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return &syscall.Stat_t{}
	}
	return st
}
