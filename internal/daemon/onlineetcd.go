package daemon

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/leadership"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
)

// cardsTime is how long etcd may take to tell which replicas there are.
const cardsTime = 5 * time.Second

// compactIn is the age at which nothing is to be read any more that was replaced.
const compactIn = 24 * time.Hour

// checkEtcd finds out, where replicas share an etcd, whether this one could lead: it has the identity, etcd lets it read and
// write and has room, and the others have the same configuration. It changes nothing.
func (c *online) checkEtcd(ctx context.Context) {
	e := c.cfg.State.Etcd
	if e == nil {
		return
	}
	c.found(Heading, "etcd %s below %s", strings.Join(e.Endpoints, ", "), e.Prefix)
	if _, err := c.cfg.Advertised(c.Env.Environment); err != nil {
		c.found(Failed, "%v", err)
	}
	warn := func(text string) { c.found(Warning, "%s", text) }
	identity, err := sharedIdentity(c.cfg.State.IdentityFile, secret.ThisProcess(c.Env.Environment, warn))
	if err != nil {
		c.foundUnread("state.identity_file", err)
	}
	client, err := dialEtcd(e, c.Env.Environment)
	if err != nil {
		c.foundUnread("", err)
		return
	}
	defer client.Close() //nolint:errcheck // nothing is lost with it
	if err := etcdjournal.MayWrite(ctx, client, e.Prefix); err != nil {
		c.found(Failed, "%v", err)
		return
	}
	c.found(OK, "it answers, and lets this user read and write there")
	if identity != nil {
		c.lookAtTerm(ctx, client, identity)
	}
	c.checkSpace(ctx, client)
	c.tellReplicas(ctx, client)
}

// foundUnread tells of a file or a secret that cannot be read here, and which rotatord's user may read.
func (c *online) foundUnread(key string, err error) {
	text := strings.TrimPrefix(key+": "+err.Error(), ": ")
	if errors.Is(err, fs.ErrPermission) && c.users.differs() {
		c.found(Warning, "%s; not judged: %s may see it otherwise", text, c.users.service)
		return
	}
	c.found(Failed, "%s", text)
}

// lookAtTerm tells whether the identity opens what replicas have sealed, and what there is to be told of that.
func (c *online) lookAtTerm(ctx context.Context, client *clientv3.Client, identity *secret.Identity) {
	e := c.cfg.State.Etcd
	keys, err := etcdjournal.KeysOf(identity)
	if err != nil {
		c.found(Failed, "%v", err)
		return
	}
	seen, err := etcdjournal.Look(ctx, client, etcdjournal.FollowOptions{Prefix: e.Prefix, Keys: keys, Identity: identity})
	switch {
	case err != nil:
		c.found(Failed, "%v", err)
		return
	case seen.Term == etcdjournal.TermRecord{}:
		c.found(OK, "no replica has led yet: the identity of the first that leads will be the one for all (%s)", identity.Recipient())
		return
	}
	c.found(OK, "state.identity_file opens what replicas have sealed")
	c.checkMarkers(ctx, seen)
	c.checkCompacted(ctx, client, seen.Term)
}

// checkMarkers tells whether folders that replicas share show here what they show the others.
func (c *online) checkMarkers(ctx context.Context, seen etcdjournal.Seen) {
	for _, f := range c.cfg.SharedFolders() {
		text, err := seen.Marker(f.Folder)
		if err == nil && text == "" {
			continue // the next leader puts one there
		}
		if err == nil {
			err = checkMarker(ctx, c.cfg, f, text)
		}
		if err != nil {
			c.foundUnread("sink "+f.Sink, err)
			continue
		}
		c.found(OK, "sink %s: %s shows here what the other replicas see there", f.Sink, f.Folder)
	}
}

func checkMarker(ctx context.Context, cfg *config.Config, f config.SharedFolder, text string) error {
	ctx, cancel := context.WithTimeout(ctx, markerTime)
	defer cancel()
	m, err := openMarker(cfg, f)
	if err != nil {
		return err
	}
	return m.Check(ctx, text)
}

// checkCompacted tells of an etcd that nobody compacts, as far as the latest term is old enough to show it.
func (c *online) checkCompacted(ctx context.Context, client *clientv3.Client, term etcdjournal.TermRecord) {
	if time.Since(term.Since) < compactIn {
		return
	}
	if can, err := etcdjournal.NewSpaceWatch(client, c.cfg.State.Etcd.Prefix).CanRead(ctx, term.Revision); err == nil && can {
		c.found(Warning, "nobody compacts etcd: what was there at %s can still be read, and etcd will be full some day "+
			"(start its members with --auto-compaction-retention=1h)", term.Since.UTC().Format(time.RFC3339))
	}
}

// checkSpace tells how much of its quota etcd uses.
func (c *online) checkSpace(ctx context.Context, client *clientv3.Client) {
	w := etcdjournal.NewSpaceWatch(client, c.cfg.State.Etcd.Prefix)
	if err := w.Ask(ctx); err != nil {
		c.found(Warning, "how much room etcd has cannot be told: %v", err)
		return
	}
	n := w.Last()
	level := Warning
	if n.Full {
		level = Failed
	}
	for _, err := range w.Errs() {
		c.found(level, "%v", err)
	}
	if !n.Full && !n.Tight {
		c.found(OK, "room: %d of %d MiB are used", n.Size>>20, n.Quota>>20)
	}
}

// tellReplicas tells who leads and who stands by, and whose configuration is another than this one.
func (c *online) tellReplicas(ctx context.Context, client *clientv3.Client) {
	ctx, cancel := context.WithTimeout(ctx, cardsTime)
	defer cancel()
	cards, err := leadership.Cards(ctx, client, c.cfg.State.Etcd.Prefix+electionFolder)
	if err != nil {
		c.found(Warning, "which replicas there are cannot be told: %v", err)
		return
	}
	if len(cards) == 0 {
		c.found(Note, "no replica runs")
	}
	for i, card := range cards {
		does := "stands by"
		if i == 0 {
			does = "leads"
		}
		name := redact.Printable(card.Replica)
		if card.Config != "" && card.Config != c.cfg.Digest() {
			c.found(Warning, "%s %s, with another configuration than this one: give both the same, but for server, log, credentials and paths", name, does)
			continue
		}
		c.found(OK, "%s %s", name, does)
	}
}
