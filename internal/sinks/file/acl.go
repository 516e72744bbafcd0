package file

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math/bits"
	"os"
)

// acl is a POSIX access control list, in the kernel's order. None means that the mode says all.
type acl []aclEntry

type aclEntry struct {
	tag  aclTag
	perm uint16 // rwx
	id   uint32 // of a named user or group
}

type aclTag uint16

const (
	aclOwner aclTag = 1 << iota
	aclUser
	aclOwningGroup
	aclGroup
	aclMask
	aclOther
)

// The form of system.posix_acl_access: a version, then the entries, all little endian.
const (
	aclVersion   = 2
	aclHeader    = 4
	aclEntrySize = 8
)

var errACL = errors.New("no POSIX access control list of version 2")

// parseACL reads the value of system.posix_acl_access.
func parseACL(b []byte) (acl, error) {
	if len(b) < aclHeader || (len(b)-aclHeader)%aclEntrySize != 0 || binary.LittleEndian.Uint32(b) != aclVersion {
		return nil, errACL
	}
	var a acl
	for b = b[aclHeader:]; len(b) > 0; b = b[aclEntrySize:] {
		a = append(a, aclEntry{
			tag:  aclTag(binary.LittleEndian.Uint16(b)),
			perm: binary.LittleEndian.Uint16(b[2:]),
			id:   binary.LittleEndian.Uint32(b[4:]),
		})
	}
	if len(a) > 0 && !a.isValid() {
		return nil, errACL
	}
	return a, nil
}

// isValid reports whether a list keeps to the kernel's own rule: tags in order, each but user and group once, and a
// mask where somebody is named.
func (a acl) isValid() bool {
	var seen, last aclTag
	for _, e := range a {
		repeats := e.tag == last && (e.tag == aclUser || e.tag == aclGroup)
		if e.perm > 7 || bits.OnesCount16(uint16(e.tag)) != 1 || e.tag <= last && !repeats {
			return false
		}
		seen, last = seen|e.tag, e.tag
	}
	const needed, known = aclOwner | aclOwningGroup | aclOther, aclOther<<1 - 1
	return seen&needed == needed && seen&^known == 0 && (!a.namesSomebody() || seen&aclMask != 0)
}

// encodeACL returns the value of system.posix_acl_access.
func (a acl) encodeACL() []byte {
	b := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range a {
		b = binary.LittleEndian.AppendUint16(b, uint16(e.tag))
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// namesSomebody reports whether the list has more to say than a mode.
func (a acl) namesSomebody() bool {
	for _, e := range a {
		if e.tag == aclUser || e.tag == aclGroup {
			return true
		}
	}
	return false
}

// underMode is a with the permissions of owner, owning group and others from mode. Who is
// named keeps what they had, and so does the mask, which bounds the owning group too.
func (a acl) underMode(mode fs.FileMode) acl {
	out := make(acl, len(a))
	for i, e := range a {
		if perm, ok := permOf(mode, e.tag); ok {
			e.perm = perm
		}
		out[i] = e
	}
	return out
}

func permOf(mode fs.FileMode, tag aclTag) (perm uint16, ok bool) {
	switch tag {
	case aclOwner:
		return uint16(mode >> 6 & 7), true
	case aclOwningGroup:
		return uint16(mode >> 3 & 7), true
	case aclOther:
		return uint16(mode & 7), true
	}
	return 0, false
}

// grantsMode reports whether a file whose mode is shown as shown gives owner, owning group
// and others what mode says. With a list, a mode's group bits are the mask: the owning
// group has an entry of its own.
func (a acl) grantsMode(shown, mode fs.FileMode) bool {
	const group = 0o070
	want := uint16(mode & group >> 3)
	switch {
	case len(a) == 0:
		return shown == mode
	case a.namesSomebody():
		return shown&^group == mode&^group && a.permFor(aclOwningGroup) == want
	}
	return shown == mode && a.permFor(aclOwningGroup)&a.permFor(aclMask) == want
}

// permFor is what the entry with tag says; a mask that is not there bounds nothing.
func (a acl) permFor(tag aclTag) uint16 {
	for _, e := range a {
		if e.tag == tag {
			return e.perm
		}
	}
	return 7
}

// letsRead reports whether this process, which does not own the file, may read it; inGroup
// reports whether the file's group is one of ours. The kernel's rule: our own entry, else
// any of our groups', else that of others.
func (a acl) letsRead(inGroup bool) bool {
	mask, grouped, granted := a.permFor(aclMask), false, false
	for _, e := range a {
		reads := e.perm&mask&4 != 0
		switch {
		case e.tag == aclUser && int(e.id) == os.Geteuid():
			return reads
		case e.tag == aclOwningGroup && inGroup, e.tag == aclGroup && memberOf(int(e.id)):
			grouped, granted = true, granted || reads
		}
	}
	return granted || !grouped && a.permFor(aclOther)&4 != 0
}
