package daemon

import (
	"cmp"
	"context"
	"slices"

	"github.com/rotatord/rotatord/internal/sinks"
)

func (b *backends) openSinks(old *backends, o opener) {
	open := descriptorsFor(b.cfg)
	for name, spec := range b.cfg.Sinks {
		if b.keepsSink(name, old) {
			b.sinks[name], b.deferred[name] = old.sinks[name], old.deferred[name]
			continue
		}
		b.deferred[name] = sinks.Defer(spec, sinks.OpenOptions{
			Name: name, Logins: b.logins, Env: o.env.Environment, Withheld: o.env.withheld, Warn: o.warn,
			Connections: open.connections, Files: open.files, MayAct: o.mayAct,
		})
		b.sinks[name] = b.decorateSink(name, o)
	}
}

// keepsSink reports whether a sink of old is configured alike.
func (b *backends) keepsSink(sink string, old *backends) bool {
	before, ok := old.cfg.Sinks[sink]
	return ok && sameConfig(before, b.cfg.Sinks[sink])
}

func (b *backends) decorateSink(sink string, o opener) sinks.Sink {
	shared := b.cfg.Sinks[sink].Shared()
	return sinks.Decorate(sink, shared.Type, b.deferred[sink], shared.Timeout, o.metrics)
}

// settleSinks waits a little for sinks that are being opened, has those of old read again
// what lies on disk, and lists what is amiss. A sink that has read something else is
// another one from now on for those who waited for the former.
func (b *backends) settleSinks(ctx context.Context, old *backends, o opener) {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	found := make(chan settled)
	for name, s := range b.deferred {
		go func() { found <- settleSink(ctx, name, s, old.deferred[name] == s) }()
	}
	for range b.deferred {
		s := <-found
		if s.err != nil {
			s.err = sinks.Redacted(s.err) // the decorator has not seen it
			b.troubles = append(b.troubles, s.trouble)
		}
		if s.changed {
			b.sinks[s.name] = b.decorateSink(s.name, o)
		}
	}
	slices.SortFunc(b.troubles, func(a, b trouble) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
}

// settled is what came of opening a sink, or of reading again what one that is kept has read.
type settled struct {
	trouble
	changed bool
}

func settleSink(ctx context.Context, name string, s *sinks.Deferred, kept bool) settled {
	out := settled{trouble: trouble{kind: "sink", name: name}}
	if kept {
		out.changed, out.err = s.Refresh(ctx)
	}
	unopened := s.Opened(ctx)
	out.err, out.works = cmp.Or(out.err, unopened), unopened == nil
	return out
}
