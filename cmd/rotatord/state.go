package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/secret"
)

// openState opens the journal and the identity that seals its values. The
// identity is made only while the journal is empty.
func openState(s config.State, o journal.Options) (*journal.Bolt, *secret.Identity, error) {
	j, err := journal.Open(s.Path, o)
	if err != nil {
		return nil, nil, err
	}
	id, err := openIdentity(s, j)
	if err != nil {
		return nil, nil, errors.Join(err, j.Close())
	}
	return j, id, nil
}

func openIdentity(s config.State, j *journal.Bolt) (*secret.Identity, error) {
	path := s.IdentityFile
	if path == "" {
		path = filepath.Join(s.Path, "identity.txt")
	}
	id, err := secret.LoadIdentity(path)
	if err == nil || !missing(err) {
		return id, err
	}
	empty, err := j.Empty()
	if err != nil {
		return nil, err
	}
	if !empty {
		return nil, errIdentityLost{path}
	}
	if id, err = secret.CreateIdentity(path); err != nil {
		return nil, fault.Newf(fault.Retry, fault.Storage, "", "", "%w", err).
			WithHint("check the disk and the permissions of its folder")
	}
	return id, nil
}

// errIdentityLost stops the start: values may be sealed with what is gone.
type errIdentityLost struct{ path string }

func (e errIdentityLost) Error() string {
	return fmt.Sprintf("the identity file %s is missing, but the journal is not empty: values that are still on their way "+
		"are sealed with it. Put the file back; if it is lost for good, make a new one with `age-keygen -o %s` (mode 0600): "+
		"the slots with an undelivered value then rotate anew", e.path, e.path)
}
