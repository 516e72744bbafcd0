package file

import (
	"bytes"
	"io/fs"
	"os"
	"testing"
)

const nobody = 0xffffffff // the id of entries that name nobody

// aclOf is a list that gives a user rights besides what mode says.
func aclOf(mode fs.FileMode, uid, perm, mask int) acl {
	return acl{
		{aclOwner, uint16(mode >> 6 & 7), nobody},
		{aclUser, uint16(perm), uint32(uid)},
		{aclOwningGroup, uint16(mode >> 3 & 7), nobody},
		{aclMask, uint16(mask), nobody},
		{aclOther, uint16(mode & 7), nobody},
	}
}

func TestAListIsReadAsTheKernelWritesIt(t *testing.T) {
	// As `setfacl -m u:1234:r` on a file of mode 0640 leaves it.
	const wire = "\x02\x00\x00\x00" +
		"\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xd2\x04\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
		"\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	a, err := parseACL([]byte(wire))
	must(t, err)
	if got := a.encodeACL(); string(got) != wire || !a.namesSomebody() || !bytes.Equal(got, aclOf(0o640, 1234, 4, 4).encodeACL()) {
		t.Errorf("%+v = % x", a, got)
	}
}

func TestWhatTheKernelWouldNotTakeIsNoList(t *testing.T) {
	good := aclOf(0o640, 1234, 4, 4)
	without := func(i int) acl { return append(append(acl{}, good[:i]...), good[i+1:]...) }
	changed := func(i int, change func(*aclEntry)) acl {
		a := append(acl{}, good...)
		change(&a[i])
		return a
	}
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"a part":            good.encodeACL()[:20],
		"another version":   append([]byte{3}, good.encodeACL()[1:]...),
		"no owner":          without(0).encodeACL(),
		"no owning group":   without(2).encodeACL(),
		"no mask":           without(3).encodeACL(),
		"no others":         without(4).encodeACL(),
		"two owners":        append(acl{good[0]}, good...).encodeACL(),
		"out of order":      append(acl{good[1]}, good...).encodeACL(),
		"an unknown tag":    append(append(acl{}, good...), aclEntry{tag: 0x40}).encodeACL(),
		"unknown rights":    changed(1, func(e *aclEntry) { e.perm = 8 }).encodeACL(),
		"a tag of two bits": changed(1, func(e *aclEntry) { e.tag = 3 }).encodeACL(),
	} {
		if a, err := parseACL(b); err == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a, err := parseACL([]byte{aclVersion, 0, 0, 0}); err != nil || a != nil {
		t.Errorf("an empty list: %v, %v; want none", a, err)
	}
}

func FuzzACL(f *testing.F) {
	f.Add([]byte{aclVersion, 0, 0, 0}, uint32(0o640))
	f.Add(aclOf(0o640, 1234, 6, 4).encodeACL(), uint32(0o600))
	f.Fuzz(func(t *testing.T, b []byte, bits uint32) {
		a, err := parseACL(b)
		if err != nil {
			return
		}
		if !bytes.Equal(a.encodeACL(), b) {
			t.Errorf("% x is read as %+v", b, a)
		}
		mode := fs.FileMode(bits & 0o777)
		next := a.underMode(mode)
		if len(a) > 0 && !next.isValid() || next.namesSomebody() != a.namesSomebody() {
			t.Errorf("%+v under %o = %+v", a, mode, next)
		}
		if shown := mode&^0o070 | fs.FileMode(next.permFor(aclMask))<<3; next.namesSomebody() && !next.grantsMode(shown, mode) {
			t.Errorf("%+v was made for mode %o, and is not taken for it", next, mode)
		}
	})
}

func TestAModeIsComparedWithWhatAListGrants(t *testing.T) {
	mask := func(perm uint16) acl { // no one is named
		a := aclOf(0o640, 0, 0, int(perm))
		return append(a[:1:1], a[2:]...)
	}
	for name, c := range map[string]struct {
		a     acl
		shown fs.FileMode
		want  bool
	}{
		"no list":                            {nil, 0o640, true},
		"no list, another mode":              {nil, 0o600, false},
		"the mask is as the group":           {aclOf(0o640, 1, 4, 4), 0o640, true},
		"the mask lets more":                 {aclOf(0o640, 1, 6, 6), 0o660, true},
		"the mask lets nothing":              {aclOf(0o640, 1, 4, 0), 0o600, true},
		"the owning group has less":          {aclOf(0o600, 1, 4, 4), 0o640, false},
		"the owning group has more":          {aclOf(0o660, 1, 4, 4), 0o640, false},
		"others have more":                   {aclOf(0o644, 1, 4, 4), 0o644, false},
		"a set-user-id bit":                  {aclOf(0o640, 1, 4, 4), 0o640 | fs.ModeSetuid, false},
		"nobody is named, a mask that fits":  {mask(4), 0o640, true},
		"nobody is named, a mask that takes": {mask(0), 0o600, false},
		"nobody is named, a mask that gives": {mask(7), 0o670, false},
	} {
		if got := c.a.grantsMode(c.shown, 0o640); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestWhoMayReadByAList(t *testing.T) {
	us, group, other := os.Geteuid(), os.Getegid(), os.Geteuid()+1
	withGroup := func(mode fs.FileMode, gid, perm, mask int) acl {
		a := aclOf(mode, other, 7, mask)
		a = append(a[:3:3], aclEntry{aclGroup, uint16(perm), uint32(gid)}, a[3], a[4])
		return a
	}
	for name, c := range map[string]struct {
		a       acl
		inGroup bool
		want    bool
	}{
		"we are named":                      {aclOf(0o600, us, 4, 4), false, true},
		"we are named, with nothing":        {aclOf(0o644, us, 0, 4), true, false},
		"the mask takes it":                 {aclOf(0o600, us, 4, 0), false, false},
		"the owning group":                  {aclOf(0o640, other, 4, 4), true, true},
		"the owning group, under the mask":  {aclOf(0o640, other, 4, 0), true, false},
		"a group of ours":                   {withGroup(0o600, group, 4, 4), false, true},
		"one of two groups":                 {withGroup(0o600, group, 4, 4), true, true},
		"a group of ours, before others":    {withGroup(0o604, group, 0, 4), false, false},
		"others, whom no mask bounds":       {aclOf(0o604, other, 4, 0), false, true},
		"others, with nothing":              {aclOf(0o640, other, 4, 4), false, false},
		"the owning group is before others": {aclOf(0o604, other, 4, 4), true, false},
	} {
		if got := c.a.letsRead(c.inGroup); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
