package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// setGroupAndMode gives the file its group and mode. A file system that keeps no modes of its own (CIFS, 9p, vboxsf,
// FAT, some of FUSE) refuses, or does nothing: that is told by a trial, and is no error.
func (p *pending) setGroupAndMode(info fs.FileInfo, mode fs.FileMode, gid int) error {
	if err := p.giveGroup(p.File, info, gid); err != nil {
		return err
	}
	if err := p.chmod(p.File, mode); err != nil && !refusesModes(err) {
		return err
	}
	return nil
}

func (d disk) giveGroup(f *os.File, info fs.FileInfo, gid int) error {
	if gid < 0 || int(sysOf(info).Gid) == gid {
		return nil
	}
	if err := d.chown(f, -1, gid); err != nil {
		return notGiven("group", gid, err)
	}
	return nil
}

func (d disk) giveOwner(f *os.File, info fs.FileInfo, uid int) error {
	if uid < 0 || int(sysOf(info).Uid) == uid {
		return nil
	}
	if err := d.chown(f, uid, -1); err != nil {
		return notGiven("owner", uid, err)
	}
	return nil
}

// refusesModes reports whether an error is what file systems answer that keep no modes.
func refusesModes(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || hasNoSuchCall(err)
}

// hasNoSuchCall reports whether an error is what file systems answer that do not know a call.
func hasNoSuchCall(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
}

// isLike reports whether a rewrite would leave the former file's permissions as they are: its file
// system makes others of them than are configured.
func (p *pending) isLike(old former) bool {
	info, err := p.File.Stat()
	if err != nil {
		return false
	}
	ours, there := sysOf(info), sysOf(old.info)
	return info.Mode() == old.info.Mode() && ours.Uid == there.Uid && ours.Gid == there.Gid && there.Nlink == 1 &&
		slices.Equal(p.ownACL(), old.acl)
}

// strangePermissions tells where a new file has other permissions than are configured.
func (p *pending) strangePermissions(mode fs.FileMode, who owner) []string {
	var differs []string
	if got := p.given.Mode().Perm(); !p.ownACL().grantsMode(got, mode) {
		differs = append(differs, fmt.Sprintf("mode %#o instead of %#o%s", got, mode, meaningOfMode(got, mode)))
	}
	st := sysOf(p.given)
	if uid := int(st.Uid); who.uid >= 0 && uid != who.uid {
		differs = append(differs, fmt.Sprintf("owner %d instead of %d", uid, who.uid))
	}
	if gid := int(st.Gid); who.gid >= 0 && gid != who.gid {
		differs = append(differs, fmt.Sprintf("group %d instead of %d", gid, who.gid))
	}
	if len(differs) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the file system of %s does not keep the permissions that are set, and gives a file %s (set them where it is mounted: "+
		"file_mode=, uid= and gid= for CIFS, fmask= or umask= for FAT; or choose a folder elsewhere)",
		filepath.Dir(p.File.Name()), strings.Join(differs, "; "))}
}

// meaningOfMode says what mode got does that mode want does not.
func meaningOfMode(got, want fs.FileMode) string {
	switch more := got &^ want; {
	case more&0o002 != 0:
		return ", so that everybody on this machine can change the token"
	case more&0o004 != 0:
		return ", so that everybody on this machine can read the token"
	case more&0o020 != 0:
		return ", so that its group can change the token"
	case more&0o040 != 0:
		return ", so that its group can read the token"
	case want&^got&0o444 != 0:
		return ", so that some who are to read the token cannot"
	}
	return ""
}
