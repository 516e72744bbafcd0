package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/slot"
)

// OnlineOptions are what a check takes beside the configuration.
type OnlineOptions struct {
	Env    Environment
	Socket adminapi.Address // of the daemon that is asked, if one runs
	UID    int              // as whom this process looks at files
	Report func(Finding)    // is told what is found as it is found, by one goroutine at a time
}

// online is one read-only tour of everything a configuration names.
type online struct {
	findings
	OnlineOptions
	cfg          *config.Config
	daemon       *adminapi.Client // nil when none answers
	users        checkUsers
	backends     *backends
	statuses     map[string]slot.Status // by slot, when a daemon answers
	relayUnknown map[string]bool        // by relay id: Cloudflare does not say that the relay exists
	listErrors   map[string]error       // by relay id: why tokens cannot be listed
	places       map[string]string      // by place: the slot and the target that were found there first
}

// CheckOnline reaches every account, relay and target that cfg names, and changes nothing. The error says that something
// failed, or that ctx ended before all was checked.
func CheckOnline(ctx context.Context, cfg *config.Config, o OnlineOptions) (_ Verdict, err error) {
	c := &online{
		findings: findings{report: o.Report}, OnlineOptions: o, cfg: cfg, statuses: map[string]slot.Status{},
		relayUnknown: map[string]bool{}, listErrors: map[string]error{}, places: map[string]string{},
	}
	warn := func(text string) { c.found(Warning, "%s", text) }
	open := opener{env: o.Env, metrics: metrics.New(metrics.Options{}), warn: warn}
	if c.backends, err = open.open(ctx, cfg, nil); err != nil {
		return c.verdict, err
	}
	defer func() { err = errors.Join(err, c.backends.closeExcept(nil)) }()
	c.askDaemon(ctx)
	if err := c.checkAll(ctx); err != nil {
		return c.verdict, err
	}
	return c.verdict, c.verdict.Err()
}

// askDaemon learns what a running daemon knows. Without one less is known, and that is said.
func (c *online) askDaemon(ctx context.Context) {
	client := adminapi.NewClientAt(c.Socket)
	slots, err := client.Slots(ctx)
	if err != nil {
		return
	}
	c.daemon = client
	for _, s := range slots {
		c.statuses[s.Slot] = s
	}
}

func (c *online) checkAll(ctx context.Context) error {
	c.checkHere()
	c.checkEtcd(ctx)
	for _, t := range c.backends.troubles {
		level := Warning
		if t.kind == "account" && c.daemon != nil {
			level = Note // the daemon is asked in its place
		}
		c.found(level, "%v", t.err)
	}
	for relay, plans := range c.cfg.PlansByRelay() {
		c.checkRelay(ctx, relay, plans)
	}
	for _, name := range slices.Sorted(maps.Keys(c.backends.byName)) {
		c.checkAccount(ctx, name, c.backends.byName[name])
	}
	for _, p := range c.cfg.Plans() {
		if ctx.Err() != nil {
			return errors.New("interrupted: the rest was not checked")
		}
		c.checkSlot(ctx, p)
	}
	return nil
}

// checkRelay reaches a relay: does it exist, may its tokens be listed, is there room?
func (c *online) checkRelay(ctx context.Context, relay string, plans []*slot.Plan) {
	k := plans[0].Key
	c.found(Heading, "relay %s (%s, account %s)", relay, k.RelayID, plans[0].Account)
	if err := c.backends.tokens[plans[0].Account].err; err != nil && (c.daemon != nil || c.users.differs() && !errors.Is(err, fs.ErrNotExist)) {
		c.checkRelayAsDaemon(ctx, relay, plans, err)
		return
	}
	client := c.backends.accounts[k.AccountID]
	r, err := client.Relay(ctx, moq.Priority{Urgency: moq.Routine}, k.RelayID)
	if err != nil {
		c.found(Failed, "%v", err)
		c.relayUnknown[k.RelayID] = true // a second question would get the same answer
		return
	}
	c.found(OK, "it exists: %s", redact.Label(r.Name))
	list, err := client.List(ctx, moq.Priority{Urgency: moq.Routine}, k.RelayID)
	c.listErrors[k.RelayID] = err
	if err == nil {
		c.checkRoom(c.heldByOthers(ctx, relay, list.Tokens), plans)
	}
}

// checkAccount warns of clocks that are apart and of an API token that ends soon.
func (c *online) checkAccount(ctx context.Context, name string, client *cf.Client) {
	token, err := client.VerifyToken(ctx, moq.Priority{Urgency: moq.Routine})
	if err != nil {
		return // where the account has relays, their answers have told what is wrong
	}
	if text := apiTokenText(token, now(client)); text != "" {
		c.found(Warning, "account %s: %s", name, text)
	}
	theirs := client.LatestTime()
	if ahead, known := offsetOf(moq.CloudflareTime{Now: theirs}); known && ahead.Abs() > offsetTold {
		c.found(Warning, "account %s: %s", name, offsetText(ahead, theirs, c.cfg.State.Etcd != nil))
	}
}

// held counts a relay's tokens that are of none of the slots.
type held struct {
	all    int
	former int // of them, labelled by this installation, and of no slot of its journal that is configured
}

func (h held) String() string {
	if h.former == 0 {
		return "others hold " + count(h.all, "token")
	}
	return fmt.Sprintf("others hold %s (%d of them former ones of this installation, see `rotatord tokens`)",
		count(h.all, "token"), h.former)
}

// checkRoom counts others' tokens, and three for each overlap slot; or two, where three each are more than
// a relay has, which the file alone shows and is warned of.
func (c *online) checkRoom(others held, plans []*slot.Plan) {
	overlap := 0
	for _, p := range plans {
		if p.Strategy == moq.Overlap {
			overlap++
		}
	}
	if overlap == 0 {
		return // in_place takes no places
	}
	usual, most, left := 2*overlap, slot.MaxTokens*overlap, moq.RelayPlaces-others.all
	switch {
	case most <= left:
		c.found(OK, "room: %v, rotatord needs up to %d of the other %d places", others, most, left)
	case most > moq.RelayPlaces && usual <= left:
		c.found(Warning, "little room: %v, rotatord needs %d and now and then up to %d of the other %d places: "+
			"rotations may then wait for one", others, usual, most, left)
	default:
		c.found(Failed, "no room: %v and rotatord needs up to %d, but a relay holds %d; "+
			"revoke tokens that nobody uses", others, most, moq.RelayPlaces)
	}
}

// heldByOthers counts the listed tokens that are not the slots' own. A running daemon knows them by its journal;
// without one their label tells, as far as it can.
func (c *online) heldByOthers(ctx context.Context, relay string, listed []moq.Token) (h held) {
	if c.daemon != nil {
		if known, err := c.daemon.Tokens(ctx, relay); err == nil {
			return countOthers(known)
		}
	}
	for _, t := range listed {
		if instance, ok := moq.LabelInstance(t.Label); !ok || instance != c.cfg.Instance {
			h.all++
		}
	}
	return h
}

func countOthers(tokens []adminapi.Token) (h held) {
	for _, t := range tokens {
		if t.Owner != adminapi.Ours {
			h.all++
		}
		if t.Owner == adminapi.Former {
			h.former++
		}
	}
	return h
}

// checkSlot reports whether the slot's strategy is offered and its targets can be written.
func (c *online) checkSlot(ctx context.Context, p *slot.Plan) {
	c.found(Heading, "slot %s (%s)", p.Slot(), p.Strategy)
	c.checkStrategy(p)
	if ids := c.statuses[p.Slot()].ForeignInstanceTokens; len(ids) > 0 {
		c.found(Warning, "another rotatord runs under the name %q, too, and mints tokens of this relay (%s): stop one, or give each an `instance` of its own",
			c.cfg.Instance, strings.Join(ids, ", "))
	}
	for _, t := range p.Targets {
		c.checkTarget(ctx, p, t)
	}
}

func (c *online) checkStrategy(p *slot.Plan) {
	err := c.listErrors[p.Key.RelayID]
	switch {
	case c.relayUnknown[p.Key.RelayID]:
		c.found(Warning, "whether %s is offered cannot be told: its relay could not be looked at", p.Strategy)
	case p.Strategy == moq.Overlap && err != nil && c.statuses[p.Slot()].TokenID != "":
		c.found(Failed, "overlap: %v", rotation.WithOfferedHint(err))
	case p.Strategy == moq.Overlap && err != nil:
		c.found(Failed, "overlap: %v", err)
	case p.Strategy == moq.Overlap:
		c.found(OK, "overlap is offered: tokens can be listed; that they may be created shows only when one is")
	case fault.Of(err) != nil && fault.Of(err).Reason == fault.NotOffered:
		c.found(OK, "the account does not list tokens, so in_place is its only strategy; "+
			"that it is offered shows only when a token is rotated")
	case err != nil:
		c.found(Failed, "in_place: %v", err)
	default:
		c.found(Warning, "in_place: whether it is offered shows only when a token is rotated; "+
			"the account offers overlap, which has no blackout")
	}
}
