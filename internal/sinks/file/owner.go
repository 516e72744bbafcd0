package file

import (
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
)

// owner is who a file is to belong to; -1 leaves it as it comes.
type owner struct{ uid, gid, folderGID int }

// lookUpOwner looks the configured names up. That happens at each use, so that an
// account made later needs no restart.
func (s *sink) lookUpOwner() (owner, error) {
	who := owner{-1, -1, -1}
	if s.config.Owner != "" {
		uid, primary, err := lookupUser(s.config.Owner)
		if err != nil {
			return who, unknownAccount("owner", err)
		}
		if who.uid = uid; uid != os.Geteuid() {
			who.folderGID = primary
		}
	}
	if s.config.Group != "" {
		gid, err := lookupGroup(s.config.Group)
		if err != nil {
			return who, unknownAccount("group", err)
		}
		who.gid, who.folderGID = gid, gid
	}
	return who, nil
}

func unknownAccount(key string, err error) error {
	return (&fault.Error{Class: fault.Permanent, Reason: fault.Invalid, Err: err}).
		WithHint("create it, or correct the sink's %s", key)
}

// lookupUser returns the ids of a user, named or numbered, and of its primary
// group, which is -1 for a number that no account has.
func lookupUser(name string) (uid, primary int, err error) {
	if n, ok := parseNumber(name); ok {
		u, err := user.LookupId(name)
		if err != nil {
			return n, -1, nil //nolint:nilerr // a number needs no account
		}
		return n, parseID(u.Gid), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return -1, -1, err
	}
	return parseID(u.Uid), parseID(u.Gid), nil
}

func lookupGroup(name string) (int, error) {
	if n, ok := parseNumber(name); ok {
		return n, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1, err
	}
	return parseID(g.Gid), nil
}

// noID is what the kernel takes for "leave it".
const noID = 1<<32 - 1

// parseNumber reads an id in digits; where int has 32 bits, half of them do not fit.
func parseNumber(text string) (id int, ok bool) {
	n, err := strconv.ParseUint(text, 10, min(32, strconv.IntSize-1))
	return int(n), err == nil && n != noID
}

func parseID(id string) int {
	n, err := strconv.Atoi(id)
	if err != nil {
		return -1
	}
	return n
}

// ownsAsConfigured reports whether info, with the list a, is a file that write would leave as it is: a
// regular one under a single name with the right owner and mode.
func (o owner) ownsAsConfigured(info fs.FileInfo, a acl, mode fs.FileMode) bool {
	st := sysOf(info)
	uid := o.uid
	if uid < 0 {
		uid = os.Geteuid()
	}
	return a.grantsMode(info.Mode(), mode) && st.Nlink == 1 && int(st.Uid) == uid && (o.gid < 0 || int(st.Gid) == o.gid)
}

// mayOwn reports whether this process may give files away to o.
func (d disk) mayOwn(o owner) error {
	if err := d.checkIDs(o); err != nil || hasCapability(unix.CAP_CHOWN) {
		return err
	}
	if o.uid >= 0 && o.uid != os.Geteuid() {
		return notAllowed("user %d may not give files to owner %d", os.Geteuid(), o.uid).
			WithHint("run rotatord as that user, give it CAP_CHOWN, or remove owner")
	}
	for _, gid := range []int{o.gid, o.folderGID} {
		if gid >= 0 && !memberOf(gid) {
			return notAllowed("user %d is not in group %d", os.Geteuid(), gid).
				WithHint("add rotatord's user to the group (SupplementaryGroups=), give it CAP_CHOWN, or remove group")
		}
	}
	return nil
}

// mayReadBack reports whether a file of that mode, owner and list could be read again.
func mayReadBack(mode fs.FileMode, o owner, a acl) error {
	var readable bool
	switch {
	case hasCapability(unix.CAP_DAC_OVERRIDE) || hasCapability(unix.CAP_DAC_READ_SEARCH):
		readable = true
	case o.uid < 0 || o.uid == os.Geteuid():
		readable = mode&0o400 != 0
	case len(a) > 0 && !a.letsRead(o.gid < 0 || memberOf(o.gid)):
		return notAllowed("the file there now has an access list by which user %d could not read back the next one", os.Geteuid()).
			WithHint("let rotatord's user read in the list (setfacl -m u:%d:r, which sets its mask, too), or set verify: false", os.Geteuid())
	case len(a) > 0:
		readable = true
	case o.gid < 0 || memberOf(o.gid): // unset: the group is one of ours, or the folder's
		readable = mode&0o040 != 0
	default:
		readable = mode&0o004 != 0
	}
	if readable {
		return nil
	}
	return notReadBack("a file of mode %#o, owner %d and group %d could not be read back by user %d", mode, o.uid, o.gid, os.Geteuid())
}

func notReadBack(format string, args ...any) error {
	return notAllowed(format, args...).
		WithHint("choose a mode and group that rotatord's user may read, or set verify: false")
}

func notAllowed(format string, args ...any) *fault.Error {
	return fault.Newf(fault.Permanent, fault.Forbidden, "", "", format, args...)
}

func memberOf(gid int) bool {
	groups, err := os.Getgroups()
	return gid == os.Getegid() || err == nil && slices.Contains(groups, gid)
}

// hasCapability reports whether this process has a capability of Linux, which decides
// where being root does not: in a container, under systemd.
func hasCapability(capability int) bool {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return os.Geteuid() == 0
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
