package rotation

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// fakeSink is a store with one target.
type fakeSink struct {
	sinks.Apart
	w         *world
	name      string
	content   string        // "" is absent
	former    string        // before the present one
	standby   bool          // it may answer with what it held before
	lags      time.Duration // until when it does, in true time
	rotation  string
	since     time.Time // when the present content was written
	down      bool
	greedy    bool // its trouble asks for a wait
	refuses   bool // when it is down: the login, and that for a long time
	urgent    bool // the latest write was of a slot in blackout
	writes    int
	forgotten string                   // the content of which the journal was never told
	left      map[string]time.Duration // values by when they were replaced, in true time

	template func(sinks.Record) error // what rendering comes to; nil: it goes well
	warnings []string                 // of each trial
	trials   []sinks.ProbeOptions
}

func (s *fakeSink) Render(r sinks.Record) (secret.Value, error) {
	if s.template != nil {
		if err := s.template(r); err != nil {
			return secret.Value{}, err
		}
	}
	return secret.New(r.Token.Reveal()), nil
}

func (s *fakeSink) trouble(op string) error {
	if s.refuses {
		return &fault.Error{Class: fault.Permanent, Reason: fault.Unauthorized, Op: op, Object: s.name, After: 5 * time.Minute}
	}
	e := fault.Newf(fault.Retry, fault.Unreachable, op, s.name, "the sink is down")
	if s.greedy {
		return greedy(e)
	}
	return e
}

func (s *fakeSink) Probe(_ context.Context, _ string, asked sinks.ProbeOptions) (h sinks.Holding, err error) {
	err = s.w.call(probeCall, s.name, func(o *outcome) error {
		if o.fails() || s.down {
			return s.trouble("probe")
		}
		h = s.shown(o)
		h.Known = asked.Read
		if !asked.Trial.IsEmpty() {
			h.Warnings, s.trials = s.warnings, append(s.trials, asked)
		}
		return nil
	})
	return h, err
}

func (s *fakeSink) Read(context.Context, string) (h sinks.Holding, err error) {
	err = s.w.call(readCall, s.name, func(o *outcome) error {
		if o.fails() || s.down {
			return s.trouble("read")
		}
		h = s.shown(o)
		return nil
	})
	return h, err
}

func (s *fakeSink) holding() sinks.Holding {
	return sinks.Holding{Known: true, Exists: s.content != "", Content: secret.New(s.content), MayBeStale: s.standby}
}

// lagsFor is how long a standby answers with what was: shorter than the looks are apart that must agree.
const lagsFor = 9 * time.Second

// shown is what the store answers.
func (s *fakeSink) shown(o *outcome) sinks.Holding {
	if o.stale {
		s.lags = s.w.truth() + lagsFor
	}
	if s.w.truth() < s.lags {
		return sinks.Holding{Known: true, Exists: s.former != "", Content: secret.New(s.former), MayBeStale: true}
	}
	return s.holding()
}

func (s *fakeSink) Write(ctx context.Context, _ string, v secret.Value, asked sinks.WriteOptions) error {
	if err := letOut(ctx); err != nil {
		return err
	}
	s.urgent = sinks.IsUrgent(ctx)
	plan := s.w.plan
	return s.w.call(writeCall, s.name, func(o *outcome) error {
		s.writes++
		if !o.done && !o.fails() {
			return nil
		}
		if !o.done || s.down {
			return s.trouble("write")
		}
		if !s.w.isLate() {
			s.w.onWrite(s, v.Reveal())
			s.w.mustStillDeliver(s.name, plan)
		}
		if s.content != v.Reveal() {
			s.replace(v.Reveal())
			s.rotation, s.since = asked.RotationID, s.w.now
		}
		if o.fails() {
			return s.trouble("write, answer lost")
		}
		return nil
	})
}

func (s *fakeSink) replace(v string) {
	if s.left == nil {
		s.left = map[string]time.Duration{}
	}
	s.left[s.content] = s.w.truth()
	delete(s.left, v)
	s.former, s.content = s.content, v
}

func (s *fakeSink) MaxContent() int { return 1 << 20 }

func (s *fakeSink) Refresh(context.Context) (bool, error) { return false, nil }

func (s *fakeSink) Close() error { return nil }
