package adminapi

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Owner returns the user that the socket belongs to: whoever runs the daemon, or ran the last one.
func (a Address) Owner() (uid uint32, ok bool) {
	info, err := os.Stat(a.Path)
	if err != nil {
		return 0, false
	}
	uid, _, ok = ownersOf(info)
	return uid, ok
}

// ownersOf returns the user and the group that a file belongs to.
func ownersOf(info fs.FileInfo) (uid, gid uint32, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return st.Uid, st.Gid, true
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
