package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/secret"
)

// untried is what only a trial tells.
const untried = "whether the file system takes owner and mode, and what a quota leaves"

// tryWrite goes the way of a write as far as nobody sees it: the write's own temporary file is made, filled and
// removed. It is synced too: a network file system tells of a full disk or quota only then.
// The warnings tell what a write would do otherwise than configured.
func (d disk) tryWrite(target string, content secret.Value, mode fs.FileMode, who owner, from grant, readBack bool) (warnings []string, err error) {
	path, err := trialPath(target)
	if err != nil {
		return nil, err
	}
	p, err := d.createTemporary(path, target)
	if err != nil {
		return nil, err
	}
	defer p.Close() //nolint:errcheck // see write
	lost, err := p.fillFile(content, mode, who, from)
	if err != nil {
		return nil, errors.Join(err, p.Cancel())
	}
	if readBack {
		err = checkOpens(path)
	}
	return append(p.strangePermissions(mode, who), lossWarnings(lost)...), errors.Join(err, p.Cancel())
}

// trialPath is where a write to target makes its temporary file or, where its folder is missing,
// the nearest place to that.
func trialPath(target string) (string, error) {
	folder, err := nearestExisting(filepath.Dir(target))
	return temporaryIn(folder, target), err
}

func checkOpens(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0) //nolint:gosec // it was just made
	if errors.Is(err, fs.ErrPermission) {
		return notReadBack("a new file there could not be read back: %w", err)
	}
	if err != nil {
		return err
	}
	return f.Close()
}
