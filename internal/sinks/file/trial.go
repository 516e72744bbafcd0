package file

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/secret"
)

// untried is what only a trial tells.
const untried = "whether the file system takes owner and mode, and what a quota leaves"

// tryWrite goes the way of a write as far as nobody sees it: the write's own temporary file is made, where folders
// are missing in the last that is there, filled and removed. It is synced too: a network file system tells of a full disk or quota only then.
// The warnings tell what a write would do otherwise than configured.
func (d disk) tryWrite(target string, content secret.Value, mode fs.FileMode, who owner, from grant, readBack bool) (warnings []string, err error) {
	w, err := walk(target)
	if err != nil {
		return nil, err
	}
	defer w.Close() //nolint:errcheck // the file is removed again
	p, err := d.createTemporary(w)
	if err != nil {
		return nil, err
	}
	defer p.Close() //nolint:errcheck // see write
	lost, err := p.fillFile(content, mode, who, from)
	if err != nil {
		return nil, errors.Join(err, p.Cancel())
	}
	if readBack {
		err = w.checkOpens(w.temporary())
	}
	return append(p.strangePermissions(mode, who), lossWarnings(lost)...), errors.Join(err, p.Cancel())
}

func (w *way) checkOpens(name string) error {
	f, err := w.Open(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return notReadBack("a new file there could not be read back: %w", err)
	}
	if err != nil {
		return err
	}
	return f.Close()
}
