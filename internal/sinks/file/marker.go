package file

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

const (
	markerName = ".rotatord-shared"
	markerMode = 0o644 // it is no secret, and replicas may run as different users
)

// What is wrong with a marker.
var (
	ErrNoMarker    = errors.New("the marker that another replica put there is missing here")
	ErrOtherMarker = errors.New("another marker is there than the other replicas see")
)

// Marker is a file in a folder of a sink that is one for all replicas (shared: true). One of them puts a text into
// it, and each looks whether it finds the same: who does not sees another file system.
//
// Its methods return when ctx ends, at the latest, whatever the file system does; their errors are *fault.Error.
type Marker struct {
	sink *sink
	path string
}

// Marker returns the marker of a folder that SharedFolder gave.
func (c *Config) Marker(folder string) (*Marker, error) {
	s, err := c.open(hooks{})
	return &Marker{s, filepath.Join(folder, markerName)}, err
}

// Place puts text, of one line, there, durably, unless a marker is there already, and returns what is there then. A
// folder that is missing is made, as for a target.
func (m *Marker) Place(ctx context.Context, text string) (string, error) {
	return runApart(ctx, m.sink, "put marker", m.path, func() (string, error) {
		if there, err := m.read(); err != nil || there != "" {
			return there, err
		}
		who, err := m.sink.lookUpOwner()
		if err != nil {
			return "", err
		}
		who.uid, who.gid = -1, -1
		return text, m.sink.disk.write(ctx, m.path, secret.New(text+"\n"), markerMode, who, nil)
	})
}

// Check finds out whether text is there: ErrNoMarker and ErrOtherMarker say that it is not, any other error why
// that cannot be told.
func (m *Marker) Check(ctx context.Context, text string) error {
	_, err := runApart(ctx, m.sink, "look at marker", m.path, func() (string, error) {
		there, err := m.read()
		switch {
		case err != nil:
			return "", err
		case there == "":
			return "", m.wrong(ErrNoMarker).WithHint("mount at %s what the other replicas have there; where that was made anew: echo %s > %s",
				filepath.Dir(m.path), text, m.path)
		case there != text:
			return "", m.wrong(ErrOtherMarker).WithHint("mount at %s what the other replicas have there, or give path a folder of this installation's own",
				filepath.Dir(m.path))
		}
		return there, nil
	})
	return err
}

// read returns the marker's text; "" where there is none.
func (m *Marker) read() (string, error) {
	h, err := m.sink.disk.read(m.path)
	return strings.TrimSpace(h.Content.Reveal()), err
}

func (m *Marker) wrong(err error) *fault.Error {
	return &fault.Error{Class: fault.Retry, Reason: fault.Setup, Err: err}
}
