package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

func TestWhatAConsumerWasGrantedOutlivesTheFile(t *testing.T) {
	onEachShelf(t, func(t *testing.T, on shelf) {
		target := filepath.Join(t.TempDir(), "token")
		s := openWith(t, nil, on.hooks(target))
		put(t, s, target, "one")
		list, large := string(aclOf(0o640, 1234, 6, 6).encodeACL()), strings.Repeat("x", 2000)
		must(t, on.put(target, aclName, list))
		must(t, on.put(target, "user.mime_type", "text/plain"))
		must(t, on.put(target, "user.large", large))
		must(t, on.put(target, "user.overlay.origin", "theirs"))
		if got := warnings(t, s, target, is("one")); got != "" {
			t.Errorf("warned of %s", got)
		}
		replace(t, s, target, "one", "two")
		replace(t, s, target, "two", "three")
		wantAttribute(t, on, target, aclName, list)
		wantAttribute(t, on, target, "user.mime_type", "text/plain")
		wantAttribute(t, on, target, "user.large", large)
		wantNone(t, on, target, "user.overlay.origin")
	})
}

func TestLabelsGoOnAndWhatIsAboutTheContentDoesNot(t *testing.T) {
	target, on := filepath.Join(t.TempDir(), "token"), newStandIn()
	on.born = map[string]string{"security.selinux": "the folder's"}
	s := openWith(t, nil, on.hooks(target))
	put(t, s, target, "one")
	never := []string{"security.capability", "security.ima", "security.evm", "trusted.x", "system.posix_acl_default", "system.nfs4_acl"}
	for _, name := range append([]string{"security.selinux", "security.SMACK64"}, never...) {
		must(t, on.put(target, name, "set by hand"))
	}
	replace(t, s, target, "one", "two")
	wantAttribute(t, on, target, "security.selinux", "set by hand")
	wantAttribute(t, on, target, "security.SMACK64", "set by hand")
	wantNone(t, on, target, never...)
}

// A label that the file comes with needs no right to set one.
func TestWhatANewFileHasAlreadyIsNotSet(t *testing.T) {
	target, on := filepath.Join(t.TempDir(), "token"), newStandIn()
	on.born = map[string]string{"security.selinux": "the folder's"}
	s := openWith(t, nil, on.hooks(target))
	put(t, s, target, "one")
	on.asked = func(_ *os.File, name string) { t.Errorf("%s was set", name) }
	replace(t, s, target, "one", "two")
}

func TestAccessIsGivenInAnOrderThatLetsNobodyInEarly(t *testing.T) {
	target, on := filepath.Join(t.TempDir(), "token"), newStandIn()
	h := on.hooks(target)
	var order []string
	moves := h.before
	h.before = func(s step) error {
		if s == stepWrite {
			order = append(order, "content")
		}
		return moves(s)
	}
	s := openWith(t, func(c *Config) { c.Mode = "0440" }, h)
	put(t, s, target, "one")
	for name, value := range map[string]string{
		aclName: string(aclOf(0o440, 1234, 4, 4).encodeACL()), "security.selinux": "l", "security.SMACK64": "l", "user.x": "1",
	} {
		must(t, on.put(target, name, value))
	}
	order = nil
	on.asked = func(f *os.File, name string) {
		order = append(order, name)
		st := stat(t, f.Name())
		// An attribute of the user may be set only while the owner may write.
		if want := map[bool]uint32{true: 0o600, false: 0o440}[name == "user.x"]; st.Mode&0o777 != want || st.Size != 0 {
			t.Errorf("%s was set when the mode was %o and the size %d", name, st.Mode&0o777, st.Size)
		}
	}
	replace(t, s, target, "one", "two")
	if want := []string{"user.x", aclName, "security.selinux", "security.SMACK64", "content"}; !slices.Equal(order, want) {
		t.Errorf("order = %q, want %q", order, want)
	}
}

// A list says more than the mode that is shown; a delivery that is repeated must see that nothing is to be done.
func TestARepeatedWriteLeavesAFileWithAListAlone(t *testing.T) {
	onEachShelf(t, func(t *testing.T, on shelf) {
		target := filepath.Join(t.TempDir(), "token")
		s := openWith(t, nil, on.hooks(target))
		put(t, s, target, "one")
		for _, mask := range []int{6, 0} {
			must(t, on.put(target, aclName, string(aclOf(0o640, 1234, 6, mask).encodeACL())))
			before := stat(t, target).Ino
			replace(t, s, target, "one", "one")
			if stat(t, target).Ino != before {
				t.Errorf("mask %o: the file was replaced", mask)
			}
		}
	})
}

func TestTheModeDecidesWhatAListDoesNotName(t *testing.T) {
	onEachShelf(t, func(t *testing.T, on shelf) {
		target := filepath.Join(t.TempDir(), "token")
		put(t, openWith(t, nil, on.hooks(target)), target, "one")
		// Somebody let the group and others write; the sink's mode is another by now.
		must(t, on.put(target, aclName, string(aclOf(0o666, 1234, 4, 6).encodeACL())))
		s := openWith(t, func(c *Config) { c.Mode = "0600" }, on.hooks(target))
		replace(t, s, target, "one", "one")
		wantAttribute(t, on, target, aclName, string(aclOf(0o600, 1234, 4, 6).encodeACL()))
		before := stat(t, target).Ino
		replace(t, s, target, "one", "one")
		if stat(t, target).Ino != before {
			t.Error("what was made is not taken for right")
		}
	})
}

func TestAListThatNamesNobodyIsNotHandedOn(t *testing.T) {
	onEachShelf(t, func(t *testing.T, on shelf) {
		target := filepath.Join(t.TempDir(), "token")
		s := openWith(t, nil, on.hooks(target))
		put(t, s, target, "one")
		a := aclOf(0o640, 1, 4, 0)
		must(t, on.put(target, aclName, string(append(a[:1:1], a[2:]...).encodeACL())))
		replace(t, s, target, "one", "one")
		wantNone(t, on, target, aclName)
	})
}

// What a folder hands down stays, but for whom the mode speaks of.
func TestAListOfTheFolderObeysTheMode(t *testing.T) {
	inherited := aclOf(0o600, 1234, 4, 4)
	check := func(t *testing.T, on shelf, target string) {
		s := openWith(t, nil, on.hooks(target))
		put(t, s, target, "one")
		wantAttribute(t, on, target, aclName, string(aclOf(0o640, 1234, 4, 4).encodeACL()))
		before := stat(t, target).Ino
		put(t, s, target, "one")
		if stat(t, target).Ino != before {
			t.Error("what was made is not taken for right")
		}
	}
	t.Run("stand-in", func(t *testing.T) {
		on := newStandIn()
		on.born = map[string]string{aclName: string(inherited.encodeACL())}
		check(t, on, filepath.Join(t.TempDir(), "token"))
	})
	t.Run("kernel", func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Lsetxattr(dir, "system.posix_acl_default", inherited.encodeACL(), 0); err != nil {
			t.Logf("the file system of %s has no default lists: %v", dir, err)
			return
		}
		check(t, onDisk{}, filepath.Join(dir, "token"))
	})
}

// Who may write the target, or put a file in its place, must not let himself in to the next token by it.
func TestNothingIsHandedOnFromAFileThatIsNotSurelyOurs(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, target string)
		ours    func(secret.Value) bool
		says    string
	}{
		"the journal knows nothing":       {nil, nil, "does not hold what rotatord last delivered"},
		"other content than delivered":    {func(t *testing.T, target string) { must(t, os.WriteFile(target, []byte("forged"), 0)) }, is("one"), "last delivered"},
		"content too large to be read":    {func(t *testing.T, target string) { must(t, os.WriteFile(target, make([]byte, maxSize+1), 0)) }, is(""), "last delivered"},
		"an empty file":                   {func(t *testing.T, target string) { must(t, os.Truncate(target, 0)) }, is(""), "last delivered"},
		"a file of another user (rooted)": {func(t *testing.T, target string) { must(t, os.Chown(target, 1234, -1)) }, is("one"), "belongs to user 1234"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(name, "rooted") && os.Geteuid() != 0 {
				return // TestOnlyFilesOfRootOursAndTheOwnerAreTrusted needs no privileges
			}
			onEachShelf(t, func(t *testing.T, on shelf) {
				target := filepath.Join(t.TempDir(), "token")
				s := openWith(t, nil, on.hooks(target))
				put(t, s, target, "one")
				must(t, on.put(target, aclName, string(aclOf(0o640, 1234, 6, 6).encodeACL())))
				must(t, on.put(target, "user.x", "1"))
				if c.prepare != nil {
					c.prepare(t, target)
				}
				if got := warnings(t, s, target, c.ours); !strings.Contains(got, aclName+", user.x, which the next one will lack") ||
					!strings.Contains(got, c.says) || !strings.Contains(got, again) {
					t.Errorf("warnings = %q", got)
				}
				must(t, s.Write(t.Context(), target, secret.New("two"), sinks.WriteOptions{RotationID: "r", Ours: c.ours}))
				wantNone(t, on, target, aclName, "user.x")
			})
		})
	}
}

func TestNothingIsHandedOnThroughALink(t *testing.T) {
	onEachShelf(t, func(t *testing.T, on shelf) {
		dir := t.TempDir()
		theirs, target := filepath.Join(dir, "theirs"), filepath.Join(dir, "token")
		must(t, os.WriteFile(theirs, []byte("one"), 0o640))
		must(t, on.put(theirs, aclName, string(aclOf(0o640, 1234, 6, 6).encodeACL())))
		must(t, os.Symlink(theirs, target))
		s := openWith(t, nil, on.hooks(target))
		replace(t, s, target, "one", "two")
		wantNone(t, on, target, aclName)
	})
}

// ownedBy is a file of a user.
type ownedBy struct {
	fs.FileInfo
	uid uint32
}

func (o ownedBy) Sys() any { return &syscall.Stat_t{Uid: o.uid} }

func TestOnlyFilesOfRootOursAndTheOwnerAreTrusted(t *testing.T) {
	us := os.Geteuid()
	for uid, want := range map[int]bool{0: true, us: true, us + 1000: true, us + 1001: false} {
		old := former{info: ownedBy{nil, uint32(uid)}, content: secret.New("one")}
		if got := old.grantFor(owner{uid: us + 1000}, is("one")); (got.withheld == "") != want {
			t.Errorf("user %d: withheld %q", uid, got.withheld)
		}
	}
}

func TestWhatCannotBeHandedOnIsToldAndTheTokenIsDelivered(t *testing.T) {
	target, on := filepath.Join(t.TempDir(), "token"), newStandIn()
	s := openWith(t, nil, on.hooks(target))
	put(t, s, target, "one")
	names := []string{aclName, "security.selinux", "security.SMACK64", "user.x"}
	for i, err := range []error{unix.EPERM, unix.EACCES, unix.ENOTSUP, unix.ENOSPC} {
		must(t, on.put(target, names[i], string(aclOf(0o640, 1234, 4, 4).encodeACL())))
		on.refuse[names[i]] = err
	}
	o := trialOptions()
	o.Ours = is("one")
	h, err := s.Probe(t.Context(), target, o)
	must(t, err)
	got := strings.Join(h.Warnings, "\n")
	for i, why := range []string{"operation not permitted", "permission denied", "operation not supported", "no space left"} {
		if !strings.Contains(got, names[i]+", which the next one will lack: a new file cannot be given it: "+why) {
			t.Errorf("%s (%s) is not told:\n%s", names[i], why, got)
		}
	}
	replace(t, s, target, "one", "two")
	wantNone(t, on, target, names...)
}

func TestWhatCannotBeReadIsTold(t *testing.T) {
	target, on := filepath.Join(t.TempDir(), "token"), newStandIn()
	s := openWith(t, nil, on.hooks(target))
	put(t, s, target, "one")
	must(t, on.put(target, aclName, "no list"))
	on.broken = map[string]error{"security.selinux": unix.EACCES, "list": unix.EACCES}
	got := warnings(t, s, target, is("one"))
	for _, want := range []string{aclName + ", which", "no POSIX access control list", `security.selinux, "user.*", which`, "cannot be read: permission denied"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not told:\n%s", want, got)
		}
	}
	replace(t, s, target, "one", "two")
}

// Whoever may write the file may set as much as its file system takes, under any name.
func TestAttributesOfTheUserAreBoundedAndTheirNamesCleaned(t *testing.T) {
	target, on := filepath.Join(t.TempDir(), "token"), newStandIn()
	s := openWith(t, nil, on.hooks(target))
	put(t, s, target, "one")
	for n := range 100 {
		must(t, on.put(target, fmt.Sprintf("user.\x1b[2J%03d", n), strings.Repeat("x", 1000)))
	}
	got := warnings(t, s, target, nil)
	if strings.ContainsRune(got, 0x1b) || !strings.Contains(got, `"user.\x1b[2J000"`) || !strings.Contains(got, "and 58 more") ||
		!strings.Contains(got, `"user.*", which the next one will lack: they take more than 64 KiB in all`) {
		t.Errorf("warnings = %q", got)
	}
	replace(t, s, target, "one", "two")
	if got := len(on.files[target]); got != 64 {
		t.Errorf("%d attributes were handed on", got)
	}
}

func TestAListOfAFileThatMayNotBeReadIsTold(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	onEachShelf(t, func(t *testing.T, on shelf) {
		target := filepath.Join(t.TempDir(), "token")
		s := openWith(t, func(c *Config) { c.Mode = "0200" }, on.hooks(target))
		put(t, s, target, "one")
		tell := func() []string {
			h, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Ours: is("one")})
			must(t, err)
			return h.Warnings
		}
		if got := tell(); len(got) > 0 {
			t.Errorf("warned of %q", got)
		}
		must(t, on.put(target, aclName, string(aclOf(0o200, 1234, 4, 4).encodeACL())))
		if got := tell(); len(got) != 1 || !strings.Contains(got[0], aclName) || !strings.Contains(got[0], "may not read the file") {
			t.Errorf("warnings = %q", got)
		}
		must(t, s.Write(t.Context(), target, secret.New("two"), sinks.WriteOptions{RotationID: "r", Ours: is("one")}))
		wantNone(t, on, target, aclName)
	})
}

func TestAFileSystemWithoutAttributesIsNothingToTellOf(t *testing.T) {
	target, on := filepath.Join(t.TempDir(), "token"), newStandIn()
	for _, name := range slices.Concat(securityLabels(), otherLists(), []string{aclName, "list"}) {
		on.broken[name] = unix.ENOTSUP
	}
	s := openWith(t, nil, on.hooks(target))
	put(t, s, target, "one")
	if got := warnings(t, s, target, nil); got != "" {
		t.Errorf("warned of %s", got)
	}
}

// nfs4 is a list as NFS sends it.
func nfs4(who ...string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(who)))
	for _, w := range who {
		for _, n := range []int{0, 0, 1, len(w)} {
			b = binary.BigEndian.AppendUint32(b, uint32(n))
		}
		b = append(b, w+"\x00\x00\x00"[:-len(w)&3]...)
	}
	return string(b)
}

func TestListsThatCannotBeCopiedAreTold(t *testing.T) {
	everyday := nfs4("OWNER@", "GROUP@", "EVERYONE@")
	for name, c := range map[string]struct {
		attribute, value string
		look, trial      bool
	}{
		"NFSv4, as a server makes it of a mode": {"system.nfs4_acl", everyday, false, true},
		"NFSv4, somebody named":                 {"system.nfs4_acl", nfs4("OWNER@", "moq@example.org", "EVERYONE@"), true, true},
		"NFSv4, cut short":                      {"system.nfs4_acl", everyday[:30], true, true},
		"richacl":                               {"system.richacl", "x", true, true},
		"CIFS":                                  {"system.cifs_acl", "x", true, true},
		"SMB3":                                  {"system.smb3_acl", "x", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			target, on := filepath.Join(t.TempDir(), "token"), newStandIn()
			s := openWith(t, nil, on.hooks(target))
			put(t, s, target, "one")
			must(t, on.put(target, c.attribute, c.value))
			old, _, err := s.disk.lookInto(target)
			must(t, err)
			nobody := owner{-1, -1, -1}
			from := old.grantFor(nobody, is("one"))
			trial := func() []loss {
				w, err := walk(target)
				must(t, err)
				defer w.Close()
				p, err := s.disk.createTemporary(w)
				must(t, err)
				lost, err := p.fillFile(secret.New("trial"), 0o640, nobody, from)
				must(t, errors.Join(err, p.Cancel()))
				return lost
			}
			if got := len(from.expectedLosses()) > 0; got != c.look {
				t.Errorf("a look tells: %t", got)
			}
			if got := len(trial()) > 0; got != c.trial {
				t.Errorf("a trial tells: %t", got)
			}
			on.born = map[string]string{c.attribute: c.value}
			if got := trial(); len(got) > 0 {
				t.Errorf("a new file has it by itself, and yet %v", got)
			}
			if c.look && !strings.Contains(warnings(t, s, target, is("one")), "rotatord cannot copy such a list") {
				t.Error("it is not told")
			}
		})
	}
}

func FuzzNFS4List(f *testing.F) {
	f.Add([]byte(nfs4("OWNER@", "EVERYONE@")))
	f.Add([]byte(nfs4("a@b")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if grantsNobody(attribute{"system.nfs4_acl", b}) && len(b) > 4 && !strings.Contains(string(b), "@") {
			t.Errorf("% x names nobody, not even the owner", b)
		}
	})
}

func TestAListThatKeepsUsFromReadingBackFailsTheProbe(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	root := owner{uid: 0, gid: os.Getegid(), folderGID: -1}
	for name, c := range map[string]struct {
		mode fs.FileMode
		a    acl
		hint string // "": it can be read
	}{
		"no list":                        {0o640, nil, ""},
		"no list, nothing for the group": {0o600, nil, "choose a mode and group"},
		"a mask that lets us read":       {0o640, aclOf(0o640, 1234, 4, 4), ""},
		"a mask that does not":           {0o640, aclOf(0o640, 1234, 4, 0), "setfacl"},
		"we are named":                   {0o600, aclOf(0o600, os.Geteuid(), 4, 4), ""},
	} {
		err := mayReadBack(c.mode, root, c.a)
		if f := fault.Of(err); (f == nil) != (c.hint == "") || f != nil && !strings.Contains(f.Hint, c.hint) {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

// The probe goes by the list that the next file will have.
func TestTheProbeReadsBackByTheListThatGoesOn(t *testing.T) {
	list := aclOf(0o666, 1234, 4, 0)
	old := former{info: ownedBy{nil, 0}, content: secret.New("one"), acl: list}
	nobody := owner{-1, -1, -1}
	if got := old.grantFor(nobody, is("one")).nextACL(0o640); !slices.Equal(got, aclOf(0o640, 1234, 4, 0)) {
		t.Errorf("the next list is %+v", got)
	}
	if got := old.grantFor(nobody, is("two")).nextACL(0o640); got != nil {
		t.Errorf("one that is withheld is %+v", got)
	}
}

func TestACallThatASignalCutsOffIsMadeAgain(t *testing.T) {
	calls := 0
	b, err := readSized(func(b []byte) (int, error) {
		if calls++; calls%2 == 1 {
			return -1, unix.EINTR
		}
		if len(b) < 1000 {
			return -1, unix.ERANGE
		}
		return copy(b, "value"), nil
	})
	if string(b) != "value" || err != nil || calls != 4 {
		t.Errorf("%q, %v after %d calls", b, err, calls)
	}
}
