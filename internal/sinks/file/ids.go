package file

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
)

// checkIDs reports whether the user namespace of this process has o's ids: nothing can be given to
// others, whatever the capabilities.
func (d disk) checkIDs(o owner) error {
	for _, c := range []struct {
		key, file string
		id        int
	}{{"owner", "uid_map", o.uid}, {"group", "gid_map", o.gid}, {"group", "gid_map", o.folderGID}} {
		if c.id < 0 {
			continue
		}
		if text := d.readProc(c.file); text != "" && !isMapped(text, c.id) {
			return noSuchID(c.key, c.id, fmt.Errorf("rotatord's user namespace (/proc/self/%s) has %s", c.file, idRanges(text)))
		}
	}
	return nil
}

// isMapped reports whether the lines of a uid_map have an id: first id inside, first id outside, how many.
func isMapped(text string, id int) bool {
	for line := range strings.Lines(text) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil && inside <= id && id-inside < count {
			return true
		}
	}
	return false
}

// idRanges names the ids that a uid_map has.
func idRanges(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil {
			out = append(out, fmt.Sprintf("%d to %d", inside, inside+count-1))
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

func noSuchID(key string, id int, err error) error {
	return fault.Newf(fault.Permanent, fault.Invalid, "", "", "%s %d does not exist here: %w", key, id, err).
		WithHint("set %s to an id that does, or map this one into the container's user namespace: subuid and subgid, userns, hostUsers", key)
}

// notGiven says why the kernel, or a file system against the kernel's rules, does not give a file away.
func notGiven(key string, id int, err error) error {
	switch {
	case errors.Is(err, unix.EINVAL):
		return noSuchID(key, id, err)
	case errors.Is(err, unix.EPERM) && hasCapability(unix.CAP_CHOWN):
		return notAllowed("the file system refuses %s %d, whoever asks: %w", key, id, err).
			WithHint("NFS: export it with no_root_squash, or run rotatord with the %s's id and remove %s; CIFS, FAT, FUSE: set uid= and gid= "+
				"where it is mounted, and remove %s", key, key, key)
	}
	return err
}
