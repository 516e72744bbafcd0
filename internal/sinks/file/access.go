package file

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// A rename replaces a file with all that its attributes granted: a consumer that was let
// in by a list or a label would be locked out by the next token. So they are handed on,
// from a file that is surely ours (former.trusted) to the one that replaces it.

const (
	aclName     = "system.posix_acl_access"
	userPrefix  = "user."
	overlayPart = "user.overlay." // what overlayfs keeps for itself
)

// securityLabels are what a security module goes by. Never security.capability, ima or evm:
// they are about what the file holds.
func securityLabels() []string { return []string{"security.selinux", "security.SMACK64"} }

// otherLists are access lists of file systems that know better than we what is in them.
func otherLists() []string {
	return []string{"system.nfs4_acl", "system.richacl", "system.cifs_acl", "system.smb3_acl"}
}

// former is the file at a target, before another takes its place.
type former struct {
	info    fs.FileInfo // nil: there is none, or it could not be opened
	content secret.Value
	acl     acl
	user    []attribute
	labels  []attribute
	lists   []attribute // of otherLists
	unread  []loss
}

type attribute struct {
	name  string
	value []byte
}

// readFormer opens target once: what is handed on is of the very file whose owner and content were looked at.
func (d disk) readFormer(w *way) (former, sinks.Holding, error) {
	var old former
	h, err := d.readOnce(w, func(f *os.File, info fs.FileInfo) {
		old.info = info
		old.readAccess(d.xattrs(), f)
	})
	old.content = h.Content
	if errors.Is(err, fs.ErrPermission) {
		old.peek(d.xattrs(), w)
	}
	return old, h, err
}

// peek notes the list of a file that may not be read, and so is not known to be ours.
func (o *former) peek(of attributes, w *way) {
	value, err := of.peek(w.Folder, w.name, aclName)
	if err != nil {
		return
	}
	if a, err := parseACL(value); err != nil || a.namesSomebody() {
		o.unread = append(o.unread, loss{aclName, "rotatord may not read the file, and so cannot tell whether it delivered it", again})
	}
}

func (o *former) readAccess(of attributes, f *os.File) {
	if value, ok := o.get(of, f, aclName); ok {
		var err error
		if o.acl, err = parseACL(value); err != nil {
			o.unread = append(o.unread, unreadableLoss(aclName, err))
		}
	}
	o.labels, o.lists = o.getAll(of, f, securityLabels()), o.getAll(of, f, otherLists())
	names, err := of.list(f)
	if err != nil && !isAbsent(err) {
		o.unread = append(o.unread, unreadableLoss(userPrefix+"*", err))
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return !strings.HasPrefix(name, userPrefix) || strings.HasPrefix(name, overlayPart)
	})
	o.readUser(of, f, names)
}

// readUser reads what anybody may have set who may write the file: not more than there is room for.
func (o *former) readUser(of attributes, f *os.File, names []string) {
	size := 0
	for _, name := range names {
		value, ok := o.get(of, f, name)
		if size += len(name) + len(value); size > maxAttribute {
			o.unread = append(o.unread, loss{"user.*", "they take more than 64 KiB in all", "remove those that nobody needs"})
			return
		}
		if ok {
			o.user = append(o.user, attribute{name, value})
		}
	}
}

func (o *former) getAll(of attributes, f *os.File, names []string) []attribute {
	var out []attribute
	for _, name := range names {
		if value, ok := o.get(of, f, name); ok {
			out = append(out, attribute{name, value})
		}
	}
	return out
}

func (o *former) get(of attributes, f *os.File, name string) (value []byte, ok bool) {
	value, err := of.get(f, name)
	if err != nil && !isAbsent(err) {
		o.unread = append(o.unread, unreadableLoss(name, err))
	}
	return value, err == nil
}

// needsNoWrite reports whether the file needs no replacing to hold content.
func (o *former) needsNoWrite(content secret.Value, mode fs.FileMode, who owner) bool {
	return o.holdsContent(content) && who.ownsAsConfigured(o.info, o.acl, mode)
}

func (o *former) holdsContent(content secret.Value) bool {
	return o.info != nil && !o.content.IsEmpty() && o.content.Equal(content)
}

// grant is what a former file may hand on to the next.
type grant struct {
	former
	withheld string // why nothing is; "" where it is
}

// grantFor judges the file. Who may write the target, or put a file of his own there, could
// else let himself in to the next token.
func (o former) grantFor(who owner, ours func(secret.Value) bool) grant {
	g := grant{former: o}
	if o.info == nil {
		return g
	}
	uid := int(sysOf(o.info).Uid)
	switch {
	case uid != 0 && uid != os.Geteuid() && (who.uid < 0 || uid != who.uid):
		g.withheld = fmt.Sprintf("it belongs to user %d, who is neither root, nor rotatord's user, nor the sink's owner", uid)
	case o.content.IsEmpty() || ours == nil || !ours(o.content):
		g.withheld = "it does not hold what rotatord last delivered there"
	}
	return g
}

// nextACL is the list that the next file is to have because of the former; nil for none.
func (g grant) nextACL(mode fs.FileMode) acl {
	if g.withheld != "" || !g.acl.namesSomebody() {
		return nil
	}
	return g.acl.underMode(mode)
}

// loss is an attribute that the next file will lack.
type loss struct{ name, why, cure string }

func unreadableLoss(name string, err error) loss {
	return loss{name, fmt.Sprintf("it cannot be read: %v", err), regrant}
}

func unsetLoss(name string, err error) loss {
	return loss{name, fmt.Sprintf("a new file cannot be given it: %v", err), regrant}
}

const (
	regrant = "grant access by the sink's mode and group, or by a default access list of the folder"
	again   = "set it again after the rotation"
)

// expectedLosses is what looking tells of what a rename will take away. Labels are left to a
// trial: a new file may well come with the same.
func (g grant) expectedLosses() []loss {
	out := slices.Clone(g.unread)
	for _, a := range g.lists {
		if !grantsNobody(a) {
			out = append(out, uncopiedLoss(a.name))
		}
	}
	if g.withheld == "" {
		return out
	}
	if g.acl.namesSomebody() {
		out = append(out, loss{aclName, g.withheld, again})
	}
	for _, a := range g.user {
		out = append(out, loss{a.name, g.withheld, again})
	}
	return out
}

func uncopiedLoss(name string) loss {
	return loss{name, "rotatord cannot copy such a list", "grant access by the sink's mode and group, or by what the folder hands down to new files"}
}

// lossWarnings puts losses of one reason into one sentence.
func lossWarnings(losses []loss) []string {
	var out []string
	for len(losses) > 0 {
		first := losses[0]
		same := func(l loss) bool { return l.why == first.why && l.cure == first.cure }
		var names []string
		for _, l := range losses {
			if name := redact.Name(l.name); same(l) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		losses = slices.DeleteFunc(slices.Clone(losses), same)
		out = append(out, fmt.Sprintf("the file there now has %s, which the next one will lack: %s (%s)",
			listSome(names), first.why, first.cure))
	}
	return out
}

// listSome lists a few, and counts the rest.
func listSome(names []string) string {
	const few = 6
	if more := len(names) - few; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), more)
	}
	return strings.Join(names, ", ")
}

// setAccess gives an empty file its group, mode and owner, and what the former one hands on, in an order
// in which nobody is let in too early and CAP_CHOWN alone will do. What is not handed on is told, and no
// failure: without it, fewer are let in than before.
func (p *pending) setAccess(mode fs.FileMode, who owner, from grant) ([]loss, error) {
	info, err := p.File.Stat()
	if err != nil {
		return nil, err
	}
	c := copier{pending: p, withheld: from.withheld, losses: slices.Clone(from.unread)}
	c.copyAll(from.user) // while the file is ours, and may be written
	if err := p.setGroupAndMode(info, mode, who.gid); err != nil {
		return nil, err
	}
	c.copyACL(from.acl, mode)
	if err := p.giveOwner(p.File, info, who.uid); err != nil {
		return nil, err
	}
	if p.given, err = p.File.Stat(); err != nil {
		return nil, err
	}
	c.copyAll(from.labels)
	c.compareLists(from.lists)
	return c.losses, nil
}

// copier hands attributes on to a file, unless they are withheld.
type copier struct {
	*pending
	withheld string
	losses   []loss
}

func (c *copier) copyAll(list []attribute) {
	for _, a := range list {
		c.copyOne(a)
	}
}

// copyOne sets only what the file does not have yet: a label that it came with needs no right to set one.
func (c *copier) copyOne(a attribute) {
	switch {
	case c.isThere(a):
	case c.withheld != "":
		c.losses = append(c.losses, loss{a.name, c.withheld, again})
	default:
		if err := c.xattrs().set(c.File, a.name, a.value); err != nil {
			c.losses = append(c.losses, unsetLoss(a.name, err))
		}
	}
}

func (c *copier) isThere(a attribute) bool {
	value, err := c.xattrs().get(c.File, a.name)
	return err == nil && bytes.Equal(value, a.value)
}

// copyACL makes a list of the former file, or one that came down from the folder, go by
// mode: chmod changed the mask, where there is one, and not the owning group.
func (c *copier) copyACL(a acl, mode fs.FileMode) {
	if a.namesSomebody() {
		c.copyOne(attribute{aclName, a.underMode(mode).encodeACL()})
	}
	if now := c.ownACL(); !slices.Equal(now, now.underMode(mode)) {
		_ = c.xattrs().set(c.File, aclName, now.underMode(mode).encodeACL()) // else as the folder has it
	}
}

// ownACL is the file's list; none where there is none to be had.
func (p *pending) ownACL() acl {
	value, err := p.xattrs().get(p.File, aclName)
	if err != nil {
		return nil
	}
	a, err := parseACL(value)
	if err != nil {
		return nil
	}
	return a
}

// compareLists tells of lists that cannot be copied, and that the new file did not get from its folder either.
func (c *copier) compareLists(list []attribute) {
	for _, a := range list {
		if !c.isThere(a) {
			c.losses = append(c.losses, uncopiedLoss(a.name))
		}
	}
}

// isAbsent reports whether there is no such attribute, or that the file system keeps none.
func isAbsent(err error) bool {
	return errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP)
}
