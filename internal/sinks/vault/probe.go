package vault

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Probe checks the mount, looks at the secret, and finds out whether a write would be taken.
func (s *sink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	var out sinks.Holding
	err := s.doAt(ctx, "probe", target, func(ctx context.Context, c *api.Client) (err error) {
		l := look{sink: s, client: c, target: target, read: o.Read}
		out, err = l.lookAtAll(ctx, len(o.Trial.Reveal()) > 0)
		return err
	})
	return out, err
}

// look is one probe of a target.
type look struct {
	*sink
	client *api.Client
	target string
	read   bool // the content must be readable

	now    held
	unread error   // why the content could not be read
	mine   granted // nil: Vault does not say
	unsure string  // what its capabilities leave open
	untold string  // what is not known of check-and-set
	warned []string
}

func (l *look) lookAtAll(ctx context.Context, trial bool) (sinks.Holding, error) {
	for _, step := range []func(context.Context) error{l.readHeld, l.checkPermission, l.checkDemand} {
		if err := step(ctx); err != nil {
			return sinks.Holding{}, err
		}
	}
	if v2, ok := l.engine.(kv2); ok && trial && l.isVerified() {
		if err := l.tryWrite(ctx, v2); err != nil {
			return sinks.Holding{}, err
		}
	}
	out, err := l.holdingOf(l.target, l.now)
	out.Warnings, out.Untried = l.warned, strings.Trim(l.unsure+"; "+l.untold, "; ")
	return out, err
}

// readHeld looks at the mount and at what the secret holds.
func (l *look) readHeld(ctx context.Context) error {
	if err := l.checkMount(ctx, l.client); err != nil {
		return err
	}
	l.now, l.unread = l.engine.read(ctx, l.client, l.target)
	if l.unread != nil && !hasStatus(l.unread, 403) {
		return l.unread
	}
	confideFields(ctx, l.now.fields)
	return nil
}

// checkPermission asks Vault for the token's capabilities.
func (l *look) checkPermission(ctx context.Context) (err error) {
	data, metadata := l.engine.paths(l.target)
	l.mine, err = readCapabilities(ctx, l.client, data, metadata)
	switch {
	case hasStatus(err, 403) && !hasWords(err, invalidToken):
		err = l.doubtPermission(ctx, err)
	case err == nil:
		err = l.checkCapabilities(ctx, data, metadata)
	}
	if err == nil && l.read {
		return l.unread // it may read, says Vault, and yet it may not
	}
	return err
}

// doubtPermission gives its benefit to a token that may not ask for its capabilities, if all is well as far
// as can be seen: it lives, and what a write has to know can be read.
func (l *look) doubtPermission(ctx context.Context, unasked error) error {
	l.unsure = "whether the token may write: its policies do not grant update on sys/capabilities-self"
	v2, is2 := l.engine.(kv2)
	switch {
	case l.now.known:
		return nil
	case l.config.WriteMode == Merge:
		return l.unread
	case is2 && l.usesCAS():
		_, err := v2.current(ctx, l.client, l.target)
		return err
	}
	l.verified.Store(0) // a dead token may not look at a mount
	if err := l.lookAtMount(ctx, l.client); err != nil || l.isVerified() {
		return err
	}
	return unasked
}

func (l *look) checkCapabilities(ctx context.Context, data, metadata string) error {
	if err := l.seeMetadataAlone(ctx, data, metadata); err != nil {
		return err
	}
	var lacking []string
	for _, need := range l.neededCapabilities() {
		if !l.mine.hasCapability(data, need) {
			lacking = append(lacking, need)
		}
	}
	if l.usesCAS() && !l.mine.hasCapability(data, "read") && !l.mine.hasCapability(metadata, "read") && !slices.Contains(lacking, "read") {
		lacking = append(lacking, "read (or read on "+metadata+", or cas: false)")
	}
	if len(lacking) > 0 {
		return fault.Newf(fault.Permanent, fault.Forbidden, "", "", "the token's policies lack %s on %s", strings.Join(lacking, ", "), data)
	}
	return nil
}

// seeMetadataAlone finds out what a token that may either create or update can do where no version is left: Vault
// counts a write as an update where there is metadata, of which reading the secret tells nothing.
func (l *look) seeMetadataAlone(ctx context.Context, data, metadata string) error {
	v2, is2 := l.engine.(kv2)
	mayCreate := l.mine.hasCapability(data, "create")
	switch {
	case !is2 || !l.now.known || l.now.used || mayCreate == l.mine.hasCapability(data, "update"):
		return nil
	case l.mine.hasCapability(metadata, "read"):
		found, err := v2.readMetadata(ctx, l.client, l.target)
		l.now.used = found != nil
		return err
	case mayCreate:
		l.unsure = "whether a write takes update, which the token's policies lack: it does where metadata is left of an earlier secret, " +
			"and they do not grant read on " + metadata + " either"
	}
	return nil
}

// neededCapabilities lists the capabilities that a write to the data needs, and reading it back.
func (l *look) neededCapabilities() []string {
	var out []string
	if !l.now.used {
		out = append(out, "create")
	}
	if !l.now.known || l.now.used {
		out = append(out, "update")
	}
	if l.read || l.config.WriteMode == Merge {
		out = append(out, "read")
	}
	return out
}

// tryWrite finds out what only a write tells.
func (l *look) tryWrite(ctx context.Context, v2 kv2) error {
	err := v2.tryPut(ctx, l.client, l.target)
	switch {
	case err == nil:
		l.unsure = ""
	case hasStatus(err, 403) && !hasWords(err, invalidToken) && l.unsure == "":
		data, _ := v2.paths(l.target)
		l.warned = append(l.warned, "Vault refuses a write that stores nothing (cas: -1), although the token's policies grant it: what stands before it, "+
			"such as a Sentinel policy, allowed_parameters or a proxy, may refuse the delivery too; have it let writes to "+data+" pass")
		return nil
	}
	return err
}

// checkDemand refuses cas: false where the store demands check-and-set.
func (l *look) checkDemand(ctx context.Context) error {
	v2, is2 := l.engine.(kv2)
	if !is2 || l.usesCAS() {
		return nil
	}
	var silent []string
	_, metadata := v2.paths(l.target)
	for _, place := range []struct {
		path string
		ask  func(context.Context, kv2) (demand, error)
	}{{v2.mount + "/config", l.mountDemands}, {metadata, l.secretDemands}} {
		d, err := place.ask(ctx, v2)
		switch {
		case err != nil:
			return err
		case d.cas:
			return fault.Newf(fault.Permanent, fault.Invalid, "", "", "%s says cas_required, and the sink has cas: false", place.path).
				WithHint("set cas: true: the store demands it")
		case !d.told:
			silent = append(silent, place.path)
		}
	}
	if len(silent) > 0 {
		l.untold = "whether the store demands check-and-set, which cas: false does without: the token may not read " + strings.Join(silent, " and ")
	}
	return nil
}

// demand is whether check-and-set is demanded of a write, if Vault tells.
type demand struct {
	at        time.Time
	cas, told bool
}

// mountDemands tells what every write to the mount takes.
func (l *look) mountDemands(ctx context.Context, v2 kv2) (demand, error) {
	if d := l.demand.Load(); d != nil && time.Since(d.at) < mountFresh {
		return *d, nil
	}
	d, err := demandIn(readPath(ctx, l.client, v2.mount+"/config"))
	if err == nil {
		l.demand.Store(&d)
	}
	return d, err
}

func (l *look) secretDemands(ctx context.Context, v2 kv2) (demand, error) {
	if _, metadata := v2.paths(l.target); l.mine != nil && !l.mine.hasCapability(metadata, "read") {
		return demand{}, nil
	}
	return demandIn(v2.readMetadata(ctx, l.client, l.target))
}

func demandIn(found map[string]any, failed error) (demand, error) {
	d := demand{at: time.Now(), told: failed == nil}
	if isWithheld(failed) {
		return d, nil
	}
	d.cas, _ = found["cas_required"].(bool)
	return d, failed
}

// isWithheld reports whether Vault, or what stands before it, does not let the token read a path: a write may go well all the same.
func isWithheld(err error) bool {
	return (hasStatus(err, 403) || hasStatus(err, 404) || hasStatus(err, 405)) && !hasWords(err, invalidToken)
}

// granted lists capabilities by path.
type granted map[string]any

func (g granted) hasCapability(path, capability string) bool {
	list, _ := g[path].([]any)
	return slices.Contains(list, any(capability)) || slices.Contains(list, any("root"))
}

func readCapabilities(ctx context.Context, c *api.Client, data, metadata string) (granted, error) {
	paths := []string{data}
	if metadata != "" {
		paths = append(paths, metadata)
	}
	found, err := c.Logical().WriteWithContext(ctx, "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil {
		return nil, err
	}
	if found == nil || found.Data[data] == nil {
		return nil, badAnswer("no capabilities")
	}
	return found.Data, nil
}
