package boltfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/durable"
)

// Publisher gives a finished file its name, as durable.System does.
type Publisher func(temp, path string) error

// Ensure makes the folder, 0700, and in it the file, 0600, where they are missing; fill writes
// what a new file holds. A file of no length holds nothing and counts as missing.
func Ensure(path string, publish Publisher, fill func(*bbolt.Tx) error) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return durable.ErrNotRegular
	case err == nil && info.Size() > 0:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := durable.SyncFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if info != nil {
		return initialise(path, fill) // under bbolt's lock, in case another has just begun to
	}
	return createFile(path, publish, fill)
}

// createFile makes the file elsewhere and gives it its name whole, so that a crash
// leaves none or a good one, and two that start at once end up with the same.
func createFile(path string, publish Publisher, fill func(*bbolt.Tx) error) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	if err := errors.Join(temp.Close(), initialise(temp.Name(), fill)); err != nil {
		return err
	}
	if err := publish(temp.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func initialise(path string, fill func(*bbolt.Tx) error) error {
	f, err := openAt(path, path)
	if err != nil {
		return err
	}
	return errors.Join(f.Update(fill), f.Close())
}

// Renew makes the file that has been lost anew, elsewhere and whole, and gives it its name,
// which nobody else may have taken meanwhile; its lock is held from the start. What fill writes
// to is not synced before all is written. On an error the former file is still the one in use.
func (f *File) Renew(publish Publisher, fill func(anew *File) error) error {
	temp := f.path + ".anew"
	if err := errors.Join(os.MkdirAll(filepath.Dir(f.path), 0o700), removeIfThere(temp)); err != nil {
		return err
	}
	defer func() { _ = removeIfThere(temp) }()
	anew, err := openAt(temp, f.path)
	if err != nil {
		return err
	}
	if err = anew.fillUnsynced(fill); err == nil {
		err = f.giveName(temp, publish)
	}
	if err != nil {
		return errors.Join(err, anew.Close())
	}
	return f.replaceBy(anew)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f *File) fillUnsynced(fill func(*File) error) error {
	f.db.NoSync = true
	defer func() { f.db.NoSync = false }()
	if err := fill(f); err != nil {
		return err
	}
	return f.db.Sync()
}

// giveName gives a file the name of f.
func (f *File) giveName(temp string, publish Publisher) error {
	if f.watched.IsNamed() { // cut short
		return errors.Join(os.Rename(temp, f.path), durable.SyncFolder(filepath.Dir(f.path)))
	}
	return publish(temp, f.path)
}

func (f *File) replaceBy(other *File) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	former := f.db
	f.db, f.watched = other.db, other.watched
	if f.broken.Swap(nil) == nil { // else it may hold its lock
		return former.Close()
	}
	return nil
}
