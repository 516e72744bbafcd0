package rotation

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// Rotate asks for a rotation of relay/type now, on behalf of by. The wish is
// durable when it returns; the status then tells how it goes.
func (e *Engine) Rotate(_ context.Context, relay, typ, by string, compromised bool) (Status, error) {
	s, err := e.named(relay, typ)
	if err != nil {
		return Status{}, err
	}
	q := Request{At: e.now(), By: by, Compromised: compromised}
	s.mu.Lock()
	before := s.rec.Request
	s.rec.ask(q)
	e.unreserve(s) // its turn may come sooner now
	ev := e.event(s, Requested)
	ev.By, ev.Cause, ev.RotationID, ev.TokenID = by, causeOf(q), "", ""
	s.mu.Unlock()
	if err := e.save(s, ev); err != nil {
		s.mu.Lock()
		s.rec.Request = before
		s.mu.Unlock()
		return Status{}, errStorage(err)
	}
	e.log(s).Info("rotation asked for", zap.String("by", by), zap.Bool("compromised", compromised))
	e.wake(s)
	return e.status(s), nil
}

func causeOf(q Request) Cause {
	if q.Compromised {
		return ByCompro
	}
	return ByRequest
}

func (e *Engine) named(relay, typ string) (*slot, error) {
	if s := (*e.names.Load())[relay+"/"+typ]; s != nil {
		return s, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.NotFound, "find slot", relay+"/"+typ,
		"no such slot is configured").WithHint("`rotatord status` lists the slots")
}

// History gives the newest events first, of one slot, one relay (typ empty) or all (both empty).
func (e *Engine) History(ctx context.Context, relay, typ string, limit int) ([]Event, error) {
	if relay == "" {
		return e.Journal.History(ctx, nil, limit)
	}
	var out []Event
	found := false
	for _, t := range moq.Types() {
		s, err := e.named(relay, string(t))
		if err != nil || typ != "" && typ != string(t) {
			continue
		}
		found = true
		events, err := e.Journal.History(ctx, &s.key, limit)
		if err != nil {
			return nil, err
		}
		out = mergeNewest(out, events, limit)
	}
	if !found {
		_, err := e.named(relay, orElse(typ, "*"))
		return nil, err
	}
	return out, nil
}

// mergeNewest merges two lists of newest-first events.
func mergeNewest(a, b []Event, limit int) []Event {
	out := make([]Event, 0, len(a)+len(b))
	for len(a)+len(b) > 0 && (limit <= 0 || len(out) < limit) {
		if len(b) == 0 || len(a) > 0 && !a[0].At.Before(b[0].At) {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}

// Run is one rotation that a schedule will start.
type Run struct {
	At   time.Time // jitter included
	Plan *Plan
}

// maxRuns bounds what Upcoming gives of one slot.
const maxRuns = 1000

// Upcoming gives the runs that schedules will start before until, by slot.
func (e *Engine) Upcoming(until time.Time) []Run {
	var out []Run
	for _, s := range *e.names.Load() {
		s.mu.Lock()
		v := e.view(s)
		if v.p != nil && v.p.Schedule != nil {
			out = append(out, v.upcoming(until)...)
		}
		s.mu.Unlock()
	}
	return out
}

func (v *view) upcoming(until time.Time) []Run {
	var out []Run
	if d := v.first(); d.cause != "" {
		out = append(out, Run{later(d.at, v.now), v.p})
	}
	t := v.base()
	for len(out) < maxRuns {
		t = v.p.Schedule.Next(t)
		if t.IsZero() || v.jittered(t).After(until) {
			break
		}
		if last := v.p.Schedule.Latest(t, v.now); !last.IsZero() {
			t = last // missed instants run once
		}
		out = append(out, Run{later(v.jittered(t), v.now), v.p})
	}
	return out
}
