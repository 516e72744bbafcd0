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
	"github.com/rotatord/rotatord/internal/mandate"
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
type disk struct {
	hooks  hooks
	mayAct func() error // of calls without a mandate; nil: it may
}

// mayBegin returns why no file may be made or named any more.
func (d disk) mayBegin(ctx context.Context) error {
	if why := mandate.Of(ctx, d.mayAct).MayBegin(ctx); why != nil {
		return fault.HeldBack(why, false)
	}
	return nil
}

// read returns what target holds, never following a symbolic link at target.
func (d disk) read(target string) (sinks.Holding, error) {
	_, h, err := d.lookInto(target)
	return h, err
}

// lookInto returns the file at target, and what it holds.
func (d disk) lookInto(target string) (former, sinks.Holding, error) {
	w, err := walk(target)
	if err != nil {
		return former{}, sinks.Holding{}, err
	}
	defer w.Close() //nolint:errcheck // nothing is written
	return d.readFormer(w)
}

// readOnce opens the target once, and returns what it holds; look is called before that, if a file is there.
func (d disk) readOnce(w *way, look func(*os.File, fs.FileInfo)) (sinks.Holding, error) {
	if err := d.beforeStep(stepLook); err != nil {
		return sinks.Holding{}, err
	}
	if !w.isWhole() {
		return sinks.Holding{Known: true}, nil
	}
	// O_NONBLOCK: opening a named pipe must not wait for a writer.
	f, err := w.Open(w.name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return sinks.Holding{Known: true}, nil
	case errors.Is(err, unix.ELOOP): // a symbolic link: it is not ours
		return sinks.Holding{Known: true, Exists: true}, nil
	case err != nil:
		return sinks.Holding{}, err
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

// lstatTarget describes what is at the target; info is nil when there is nothing.
func (d disk) lstatTarget(w *way) (fs.FileInfo, error) {
	if err := d.beforeStep(stepLook); err != nil {
		return nil, err
	}
	info, err := w.look()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // nothing there is no error
	case err != nil:
		return nil, err
	}
	if err := checkReplaceable(info); err != nil {
		return info, err
	}
	if d.mountPoint(w) {
		return info, errMountPoint(w.path())
	}
	return info, nil
}

// write makes target a file that holds content, whole or not at all. What the former file
// grants beside its mode goes on, if ours knows what it holds.
func (d disk) write(ctx context.Context, target string, content secret.Value, mode fs.FileMode, who owner, ours func(secret.Value) bool) error {
	if err := d.mayBegin(ctx); err != nil {
		return err
	}
	w, err := walk(target)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }() // it may be another folder by then
	info, err := d.lstatTarget(w)
	if err != nil {
		return err
	}
	var old former
	if info != nil {
		old, _, _ = d.readFormer(w) // one that cannot be read is replaced, too
	}
	if old.needsNoWrite(content, mode, who) {
		return d.syncInPlace(w)
	}
	if err := d.prepareFolder(w, who); err != nil {
		return err
	}
	p, err := d.createTemporary(w)
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
		return errors.Join(p.Cancel(), d.syncInPlace(w))
	}
	return p.commitFile(ctx)
}

// syncInPlace makes sure that a file which is already right is durable too.
func (d disk) syncInPlace(w *way) error {
	if err := d.beforeStep(stepSync); err != nil {
		return err
	}
	f, err := w.Open(w.name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return d.syncFolder(w.Folder)
}

func (d disk) syncFolder(at *durable.Folder) error {
	if err := d.beforeStep(stepSyncFolder); err != nil {
		return err
	}
	return d.syncNames(at)
}

// pending is a file on its way to target. It ends with exactly one of commitFile and Cancel.
type pending struct {
	disk
	*durable.Pending
	way   *way
	given fs.FileInfo // what setAccess made of it
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
func (d disk) createTemporary(w *way) (*pending, error) {
	if err := d.beforeStep(stepCreate); err != nil {
		return nil, err
	}
	p, err := durable.Create(w.Folder, w.temporary())
	if err != nil {
		return nil, staleFault(w.Join(w.temporary()), err)
	}
	return &pending{disk: d, Pending: p, way: w}, nil
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
func (p *pending) commitFile(ctx context.Context) error {
	if err := p.CloseWriter(); err != nil {
		return errors.Join(err, p.Cancel())
	}
	if err := errors.Join(p.beforeStep(stepRename), p.mayBegin(ctx)); err != nil {
		return errors.Join(err, p.Cancel())
	}
	if err := p.Rename(p.way.name); err != nil {
		return errors.Join(err, p.Cancel())
	}
	if err := p.Close(); err != nil {
		return err
	}
	return p.syncFolder(p.way.Folder)
}

func sysOf(info fs.FileInfo) *syscall.Stat_t {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return &syscall.Stat_t{}
	}
	return st
}
