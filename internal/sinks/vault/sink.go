package vault

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/transport"
)

// casAttempts bounds how often one Write gives way to other writers.
const casAttempts = 5

type sink struct {
	sinks.Apart
	config    Config
	engine    engine
	templates sinks.Templates
	ours      map[string]bool
	session   *session
	transport *transport.Transport
	verified  atomic.Int64 // Unix nanoseconds: when the mount was last found right
	demand    atomic.Pointer[demand]
	seen      versionCache
}

func (c *Config) open(o sinks.OpenOptions) (*sink, error) {
	r, err := c.withEnvironment(o.Env)
	if err != nil {
		return nil, err
	}
	t, err := r.newTransport(o)
	if err != nil {
		return nil, err
	}
	how := r.Auth.chosenMethods()
	if len(how) != 1 {
		return nil, errors.New("exactly one method of auth must be given")
	}
	if err := how[0].missingVariable(o.Env); err != nil {
		return nil, err
	}
	s, err := r.sinkOver(t, how[0], o)
	s.transport = t
	return s, err
}

// sinkOver returns a sink that sends over next.
func (c *Config) sinkOver(next http.RoundTripper, how chosen, o sinks.OpenOptions) (*sink, error) {
	s := &sink{
		config: *c, engine: newEngine(c.mountPath(), c.KVVersion), ours: fieldTemplates(c.Fields).fieldNames(),
	}
	at := endpoint{address: c.Address, namespace: trimSlashes(c.Namespace)}
	s.session = newSession(how, at.address+" "+at.namespace, o, func(token secret.Value) (*api.Client, error) {
		return at.newClient(token)
	})
	redirects := &transport.Redirects{Next: next, Allow: c.refuseRedirect, Hint: redirectHint}
	at.http = &http.Client{Transport: tied{redirects, s.session.life}, Timeout: c.Timeout}
	leaving := at
	leaving.http = &http.Client{Transport: redirects}
	s.session.part = leaving.newClient
	_, err := at.newClient(secret.Value{})
	return s, err
}

// Render implements sinks.Sink.
func (s *sink) Render(r sinks.Record) (secret.Value, error) { return s.config.Render(&s.templates, r) }

// MaxContent implements sinks.Sink.
func (s *sink) MaxContent() int { return maxSize }

// Read returns the secret's fields; under write: merge, those that are ours.
func (s *sink) Read(ctx context.Context, target string) (sinks.Holding, error) {
	var out sinks.Holding
	err := s.doAt(ctx, "read", target, func(ctx context.Context, c *api.Client) error {
		h, err := s.engine.read(ctx, c, target)
		if err != nil {
			return err
		}
		out, err = s.holdingOf(target, h)
		return err
	})
	return out, err
}

func (s *sink) holdingOf(target string, h held) (sinks.Holding, error) {
	fields := h.fields
	if s.config.WriteMode == Merge {
		fields = selectFields(h.fields, s.ours)
		h.live = len(fields) > 0
	}
	out := sinks.Holding{Known: h.known, Exists: h.known && h.live, MayBeStale: true} // a standby may lag
	if out.Exists {
		v, err := encodeFields(fields)
		if err != nil {
			return out, err
		}
		out.Content = v
	}
	if out.Known && s.config.KVVersion == 2 && s.config.WriteMode == Replace {
		s.seen.noteVersion(target, h.version, out)
	}
	return out, nil
}

// Write makes the secret hold content. A secret that holds it already is not
// written again.
func (s *sink) Write(ctx context.Context, target string, content secret.Value, _ sinks.WriteOptions) error {
	ours, err := parseContent(content)
	if err != nil {
		return toFault("write", s.objectOf(target), err)
	}
	return s.doAt(ctx, "write", target, func(ctx context.Context, c *api.Client) error {
		if err := s.checkMountOnce(ctx, c); err != nil {
			return err
		}
		d := delivery{sink: s, client: c, target: target, content: content, ours: ours, cas: s.usesCAS()}
		err := d.deliverContent(ctx)
		if demandsCAS(err) { // it may not be told before
			d.cas = true
			err = d.deliverContent(ctx)
		}
		return err
	})
}

// delivery is one write to a target.
type delivery struct {
	*sink
	client  *api.Client
	target  string
	content secret.Value
	ours    map[string]any // the same
	cas     bool           // under check-and-set
}

func (d *delivery) deliverContent(ctx context.Context) error {
	if done, err := d.putAtOnce(ctx); done {
		return err
	}
	return d.put(ctx)
}

// putAtOnce writes over what was seen at the target a moment ago, without reading it
// again. It is not done when nothing was, when that was our content already, or when
// something else has come in between.
func (d *delivery) putAtOnce(ctx context.Context) (done bool, err error) {
	version, ok := d.seen.takeVersion(d.target, d.content)
	if !ok {
		return false, nil
	}
	err = d.engine.put(ctx, d.client, d.target, d.ours, d.expectedVersion(held{version: version}))
	return !isConflict(err), err
}

func (d *delivery) put(ctx context.Context) error {
	for range casAttempts {
		now, err := d.readBeforeWrite(ctx)
		if err != nil {
			return err
		}
		want := d.ours
		if d.config.WriteMode == Merge {
			want = mergeFields(now.fields, d.ours)
			confideFields(ctx, now.fields)
		}
		if now.live && equalFields(now.fields, want) {
			return nil
		}
		if err := d.engine.put(ctx, d.client, d.target, want, d.expectedVersion(now)); !isConflict(err) {
			return err
		}
	}
	return fault.Newf(fault.Retry, fault.Conflict, "", "", "other writers came in between %d times", casAttempts).
		WithHint("find out who else writes this secret")
}

// confideFields keeps what a secret was found to hold out of errors; a merge sends it again.
func confideFields(ctx context.Context, theirs map[string]any) {
	if v, err := encodeFields(theirs); err == nil {
		sinks.Confide(ctx, sinks.SecretParts(v)...)
	}
}

func (s *sink) usesCAS() bool { return s.config.KVVersion == 2 && s.config.CAS }

// expectedVersion returns the version that a write compares with; nil for none.
func (d *delivery) expectedVersion(now held) *int {
	if !d.cas {
		return nil
	}
	return &now.version
}

// readBeforeWrite finds out what a write has to know of the present content: all of it
// for a merge, the version for check-and-set, and else nothing: reading then
// only spares a version.
func (d *delivery) readBeforeWrite(ctx context.Context) (held, error) {
	merge := d.config.WriteMode == Merge
	if d.config.KVVersion == 1 && !merge {
		return held{}, nil
	}
	now, err := d.engine.read(ctx, d.client, d.target)
	if !hasStatus(err, 403) || merge {
		return now, err
	}
	if v2, ok := d.engine.(kv2); ok && d.cas {
		now.version, err = v2.current(ctx, d.client, d.target)
		return now, err
	}
	return held{}, nil
}

// Refresh reads ca_file again, and lets the next connections show the client certificate
// that the files hold now. Tokens that files hold are read at each use.
func (s *sink) Refresh(context.Context) (changed bool, err error) {
	s.transport.CloseIdleConnections()
	if changed, err = s.transport.Refresh(); err != nil {
		return false, fault.Newf(fault.Retry, fault.Setup, "refresh", "", "%w", err).
			WithHint("the authorities that it held stay in force; mend the file")
	}
	return changed, nil
}

// Close ends the renewal of the token and all connections, and gives the token back.
func (s *sink) Close() error {
	s.session.close()
	s.transport.CloseIdleConnections()
	return nil
}

// doAt runs work on target with a client that is logged in.
func (s *sink) doAt(ctx context.Context, op, target string, work func(context.Context, *api.Client) error) error {
	if err := checkPath(target); err != nil {
		return fault.Newf(fault.Permanent, fault.Invalid, op, s.objectOf(target), "%w", err).WithHint("correct the sink's path")
	}
	ctx, after := withRetryAfter(ctx)
	err := toFault(op, s.objectOf(target), s.session.withClient(ctx, work))
	if err == nil {
		return nil
	}
	sinks.Confide(ctx, s.session.known.Values()...)
	f := *fault.Of(err) // a failed login's error is shared by all who waited for it
	if slices.Contains([]fault.Reason{fault.BadAnswer, fault.NotFound, fault.Invalid}, f.Reason) {
		s.doubtMount()
	}
	f.After = max(f.After, after())
	s.addAdvice(ctx, &f, target)
	return &f
}

// doubtMount has the next call look at the mount anew: it may have been made again.
func (s *sink) doubtMount() {
	s.verified.Store(0)
	s.demand.Store(nil)
}

func (s *sink) objectOf(target string) string { return s.config.mountPath() + "/" + target }
