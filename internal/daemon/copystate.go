package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/journal/moving"
	"github.com/rotatord/rotatord/internal/leadership"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// copying is what a fault of a copy was about.
const copying = "copy the journal"

// CopyOptions are what a copy of the state takes beside the configuration.
type CopyOptions struct {
	Folder string // of the embedded store
	ToEtcd bool   // else from there
	Env    Environment
	Tell   func(line string) // is told what is done
}

// stateCopy is one copy between the embedded store and etcd.
type stateCopy struct {
	CopyOptions
	cfg      *config.Config
	access   secret.Access
	identity *secret.Identity
	client   *clientv3.Client
	host     string
}

// CopyState moves the journal from the embedded store to the etcd of cfg, or back. It holds the folder's lock and the
// election until it ends.
func CopyState(ctx context.Context, cfg *config.Config, o CopyOptions) (_ moving.Result, err error) {
	c := &stateCopy{CopyOptions: o, cfg: cfg}
	c.host, _ = os.Hostname()
	c.access = secret.ThisProcess(o.Env.Environment, func(text string) { o.Tell("warning: " + text) })
	if err := c.prepare(); err != nil {
		return moving.Result{}, err
	}
	defer func() { err = errors.Join(err, c.client.Close()) }()
	t, err := c.hold(ctx)
	if err != nil {
		return moving.Result{}, err
	}
	defer func() { _ = t.Resign(context.WithoutCancel(ctx)) }() // else its lease ends by itself
	return c.move(ctx, t)
}

// prepare does what needs no store.
func (c *stateCopy) prepare() (err error) {
	if err := c.checkFolder(); err != nil {
		return err
	}
	if c.identity, err = secret.LoadIdentity(c.cfg.State.IdentityFile, c.access); err != nil {
		return c.explainIdentity(err)
	}
	c.client, err = dialEtcd(c.cfg.State.Etcd, c.Env.Environment)
	return err
}

// checkFolder refuses a folder that is not there, and whose files this process should not make.
func (c *stateCopy) checkFolder() error {
	info, err := os.Stat(c.Folder)
	if err == nil && os.Geteuid() == 0 {
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 {
			return fault.Newf(fault.Permanent, fault.Setup, copying, c.Folder, "it belongs to the user %d, and this is root", s.Uid).
				WithHint("copy as rotatord's own user, so that it can read what is made: runuser -u rotatord -- rotatord state copy …")
		}
	}
	_, err = os.Stat(filepath.Join(c.Folder, journal.FileName))
	if c.ToEtcd && errors.Is(err, fs.ErrNotExist) {
		return fault.Newf(fault.Permanent, fault.NotFound, copying, c.Folder, "there is no journal in it").
			WithHint("name the folder that state.path named, and that holds %s", journal.FileName)
	}
	return checkState(c.Folder, c.access)
}

// explainIdentity says where the identity comes from when there is none.
func (c *stateCopy) explainIdentity(err error) error {
	file := c.cfg.State.IdentityFile
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	hint := "make one with age-keygen -o " + file + ", mode 0600, and give it to each replica"
	if own := c.identityInFolder(); own != "" {
		hint = "take the one that is in use: cp -p " + own + " " + file + ", and give it to each replica"
	}
	return fault.Newf(fault.Permanent, fault.Setup, "", "", "%w", err).WithHint("%s", hint)
}

// identityInFolder is the path of the folder's identity; "" where it has none.
func (c *stateCopy) identityInFolder() string {
	path := ownIdentity(config.State{Path: c.Folder})
	if _, err := os.Stat(path); err != nil || path == c.cfg.State.IdentityFile {
		return ""
	}
	return path
}

// move opens the stores and moves the journal, unless the term ends before.
func (c *stateCopy) move(ctx context.Context, t *leadership.Term) (_ moving.Result, err error) {
	ctx, cancel := untilOver(ctx, t)
	defer cancel()
	embedded, err := journal.Open(c.Folder, journal.Options{ToMove: true, Warn: c.Tell})
	if err != nil {
		return moving.Result{}, c.nameHolder(err)
	}
	defer func() { err = errors.Join(err, embedded.Close()) }()
	if c.ToEtcd { // before this identity is the first that etcd knows
		if err := c.checkSealed(ctx, embedded.Load); err != nil {
			return moving.Result{}, err
		}
	}
	etcd, err := c.openEtcd(ctx, t)
	if err != nil {
		return moving.Result{}, err
	}
	defer func() { err = errors.Join(err, etcd.Close()) }()
	m := moving.Move{From: c.folderParty(embedded), To: c.etcdParty(etcd), Now: time.Now, Tell: c.Tell}
	if !c.ToEtcd {
		if err := c.checkSealed(ctx, etcd.Load); err != nil {
			return moving.Result{}, err
		}
		m.From, m.To = m.To, m.From
	}
	return m.Run(ctx)
}

func (c *stateCopy) openEtcd(ctx context.Context, t *leadership.Term) (*etcdjournal.Store, error) {
	keys, err := etcdjournal.KeysOf(c.identity)
	if err != nil {
		return nil, err
	}
	var term etcdjournal.Term
	term.Key, term.Revision = t.Fence()
	return etcdjournal.Open(ctx, c.client, etcdjournal.Options{
		Prefix: c.cfg.State.Etcd.Prefix, Term: term, Keys: keys, Identity: c.identity, ToMove: true,
		TermRecord: etcdjournal.TermRecord{Replica: c.replica(), Since: time.Now(), Config: c.cfg.Digest()},
	})
}

func (c *stateCopy) etcdParty(s moving.Store) moving.Party {
	e := c.cfg.State.Etcd
	return moving.Party{Store: s, Name: moving.Name{
		Shown: "etcd " + strings.Join(e.Endpoints, ",") + " " + e.Prefix, Argument: etcdjournal.MoveArgument,
	}}
}

func (c *stateCopy) folderParty(s moving.Store) moving.Party {
	return moving.Party{Store: s, Name: moving.Name{Shown: c.Folder + " on " + c.host, Argument: c.Folder}}
}

// namedSealed is how many slots are named whose values cannot be opened.
const namedSealed = 3

// checkSealed refuses a journal with values on their way that nobody could open in the new store.
func (c *stateCopy) checkSealed(ctx context.Context, load func(context.Context, func(*slot.Record) error) error) error {
	var names []string
	some := 0
	if err := load(ctx, func(r *slot.Record) error {
		if r.Rotation == nil || len(r.Rotation.Sealed) == 0 {
			return nil
		}
		if _, err := c.identity.Open(r.Rotation.Sealed); err != nil {
			if some++; some <= namedSealed {
				names = append(names, r.Rotation.Names.Relay+"/"+string(r.Key.Type))
			}
		}
		return nil
	}); err != nil || some == 0 {
		return err
	}
	return c.errSealed(some, names)
}

func (c *stateCopy) errSealed(some int, names []string) error {
	file := c.cfg.State.IdentityFile
	if some > len(names) {
		names = append(names, "…")
	}
	hint := "add the key that sealed them to the file, which may hold several"
	if own := c.identityInFolder(); own != "" {
		hint += ": cat " + own + " >> " + file + ", and give the file to each replica"
	}
	return fault.Newf(fault.Permanent, fault.Setup, copying, "",
		"values on their way (%d: %s) were sealed for another identity than those in %s", some, strings.Join(names, ", "), file).
		WithHint("nothing was touched; %s", hint)
}

// nameHolder says which process has the folder.
func (c *stateCopy) nameHolder(err error) error {
	f := fault.Of(err)
	if !errors.Is(err, journal.ErrInUse) {
		return err
	}
	if holder := holderOf(filepath.Join(c.Folder, journal.FileName)); holder != "" {
		f.Err = fmt.Errorf("%w: %s", f.Err, holder)
	}
	return f.WithHint("stop it, and see that nothing starts it again meanwhile: systemctl stop rotatord")
}
