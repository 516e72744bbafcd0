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

// movingJournal is what a fault of a move was about.
const movingJournal = "copy the journal"

// MoveOptions are what a move of the state takes beside the configuration.
type MoveOptions struct {
	Folder string // of the embedded store
	ToEtcd bool   // else from there
	Env    Environment
	Tell   func(line string) // is told what is done
}

// stateMove is one move of the journal, between the embedded store and etcd: the verb is `rotatord state copy`.
type stateMove struct {
	MoveOptions
	cfg      *config.Config
	access   secret.Access
	identity *secret.Identity
	client   *clientv3.Client
	host     string
}

// MoveState moves the journal from the embedded store to the etcd of cfg, or back. It holds the folder's lock and the
// election until it ends.
func MoveState(ctx context.Context, cfg *config.Config, o MoveOptions) (_ moving.Result, err error) {
	m := &stateMove{MoveOptions: o, cfg: cfg}
	m.host, _ = os.Hostname()
	m.access = secret.ThisProcess(o.Env.Environment, func(text string) { o.Tell("warning: " + text) })
	if err := m.prepare(); err != nil {
		return moving.Result{}, err
	}
	defer func() { err = errors.Join(err, m.client.Close()) }()
	t, err := m.hold(ctx)
	if err != nil {
		return moving.Result{}, err
	}
	defer func() { _ = t.Resign(context.WithoutCancel(ctx)) }() // else its lease ends by itself
	return m.move(ctx, t)
}

// prepare does what needs no store.
func (m *stateMove) prepare() (err error) {
	if err := m.checkFolder(); err != nil {
		return err
	}
	if m.identity, err = secret.LoadIdentity(m.cfg.State.IdentityFile, m.access); err != nil {
		return m.explainIdentity(err)
	}
	m.client, err = dialEtcd(m.cfg.State.Etcd, m.Env.Environment)
	return err
}

// checkFolder refuses a folder that is not there, and whose files this process should not make.
func (m *stateMove) checkFolder() error {
	info, err := os.Stat(m.Folder)
	if err == nil && os.Geteuid() == 0 {
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 {
			return fault.Newf(fault.Permanent, fault.Setup, movingJournal, m.Folder, "it belongs to the user %d, and this is root", s.Uid).
				WithHint("copy as rotatord's own user, so that it can read what is made: runuser -u rotatord -- rotatord state copy …")
		}
	}
	_, err = os.Stat(filepath.Join(m.Folder, journal.FileName))
	if m.ToEtcd && errors.Is(err, fs.ErrNotExist) {
		return fault.Newf(fault.Permanent, fault.NotFound, movingJournal, m.Folder, "there is no journal in it").
			WithHint("name the folder that state.path named, and that holds %s", journal.FileName)
	}
	return checkState(m.Folder, m.access)
}

// explainIdentity says where the identity comes from when there is none.
func (m *stateMove) explainIdentity(err error) error {
	file := m.cfg.State.IdentityFile
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	hint := "make one with age-keygen -o " + file + ", mode 0600, and give it to each replica"
	if own := m.identityInFolder(); own != "" {
		hint = "take the one that is in use: cp -p " + own + " " + file + ", and give it to each replica"
	}
	return fault.Newf(fault.Permanent, fault.Setup, "", "", "%w", err).WithHint("%s", hint)
}

// identityInFolder is the path of the folder's identity; "" where it has none.
func (m *stateMove) identityInFolder() string {
	path := ownIdentity(config.State{Path: m.Folder})
	if _, err := os.Stat(path); err != nil || path == m.cfg.State.IdentityFile {
		return ""
	}
	return path
}

// move opens the stores and moves the journal, unless the term ends before.
func (m *stateMove) move(ctx context.Context, t *leadership.Term) (_ moving.Result, err error) {
	ctx, cancel := untilOver(ctx, t)
	defer cancel()
	embedded, err := journal.Open(m.Folder, journal.Options{ToMove: true, Warn: m.Tell})
	if err != nil {
		return moving.Result{}, m.nameHolder(err)
	}
	defer func() { err = errors.Join(err, embedded.Close()) }()
	if m.ToEtcd { // before this identity is the first that etcd knows
		if err := m.checkSealed(ctx, embedded.Load); err != nil {
			return moving.Result{}, err
		}
	}
	etcd, err := m.openEtcd(ctx, t)
	if err != nil {
		return moving.Result{}, err
	}
	defer func() { err = errors.Join(err, etcd.Close()) }()
	move := moving.Move{From: m.folderParty(embedded), To: m.etcdParty(etcd), Now: time.Now, Tell: m.Tell}
	if !m.ToEtcd {
		if err := m.checkSealed(ctx, etcd.Load); err != nil {
			return moving.Result{}, err
		}
		move.From, move.To = move.To, move.From
	}
	return move.Run(ctx)
}

func (m *stateMove) openEtcd(ctx context.Context, t *leadership.Term) (*etcdjournal.Store, error) {
	keys, err := etcdjournal.KeysOf(m.identity)
	if err != nil {
		return nil, err
	}
	var term etcdjournal.Term
	term.Key, term.Revision = t.Fence()
	return etcdjournal.Open(ctx, m.client, etcdjournal.Options{
		Prefix: m.cfg.State.Etcd.Prefix, Term: term, Keys: keys, Identity: m.identity, ToMove: true,
		TermRecord: etcdjournal.TermRecord{Replica: m.replica(), Since: time.Now(), Config: m.cfg.Digest()},
	})
}

func (m *stateMove) etcdParty(s moving.Store) moving.Party {
	e := m.cfg.State.Etcd
	return moving.Party{Store: s, Name: moving.Name{
		Shown: "etcd " + strings.Join(e.Endpoints, ",") + " " + e.Prefix, Argument: etcdjournal.MoveArgument,
	}}
}

func (m *stateMove) folderParty(s moving.Store) moving.Party {
	return moving.Party{Store: s, Name: moving.Name{Shown: m.Folder + " on " + m.host, Argument: m.Folder}}
}

// namedSealed is how many slots are named whose values cannot be opened.
const namedSealed = 3

// checkSealed refuses a journal with values on their way that nobody could open in the new store.
func (m *stateMove) checkSealed(ctx context.Context, load func(context.Context, func(*slot.Record) error) error) error {
	var names []string
	some := 0
	if err := load(ctx, func(r *slot.Record) error {
		if r.Rotation == nil || len(r.Rotation.Sealed) == 0 {
			return nil
		}
		if _, err := m.identity.Open(r.Rotation.Sealed); err != nil {
			if some++; some <= namedSealed {
				names = append(names, r.Rotation.Names.Relay+"/"+string(r.Key.Type))
			}
		}
		return nil
	}); err != nil || some == 0 {
		return err
	}
	return m.errSealed(some, names)
}

func (m *stateMove) errSealed(some int, names []string) error {
	file := m.cfg.State.IdentityFile
	if some > len(names) {
		names = append(names, "…")
	}
	hint := "add the key that sealed them to the file, which may hold several"
	if own := m.identityInFolder(); own != "" {
		hint += ": cat " + own + " >> " + file + ", and give the file to each replica"
	}
	return fault.Newf(fault.Permanent, fault.Setup, movingJournal, "",
		"values on their way (%d: %s) were sealed for another identity than those in %s", some, strings.Join(names, ", "), file).
		WithHint("nothing was touched; %s", hint)
}

// nameHolder says which process has the folder.
func (m *stateMove) nameHolder(err error) error {
	f := fault.Of(err)
	if !errors.Is(err, journal.ErrInUse) {
		return err
	}
	if holder := holderOf(filepath.Join(m.Folder, journal.FileName)); holder != "" {
		f.Err = fmt.Errorf("%w: %s", f.Err, holder)
	}
	return f.WithHint("stop it, and see that nothing starts it again meanwhile: systemctl stop rotatord")
}
