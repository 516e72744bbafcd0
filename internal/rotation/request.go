package rotation

import (
	"context"
	"errors"
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
	e.hasten(s)
	if o := s.notes; o != nil {
		o.retireNext, o.retires = 0, 0
	}
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

// errOvertaken ends a call whose slot has something more urgent to do.
var errOvertaken = errors.New("a rotation was asked for meanwhile")

// inTurn makes a call that may have to wait for its turn in the budget. A rotation
// that is asked for meanwhile ends it, so the call must be one that can be repeated.
func (e *Engine) inTurn(s *slot, call func(context.Context, moq.Priority) error) error {
	ctx, cancel := context.WithCancelCause(e.work)
	defer cancel(nil)
	s.mu.Lock()
	p := s.priority()
	s.seen().yield = func() { cancel(errOvertaken) }
	s.mu.Unlock()
	err := call(ctx, p)
	s.mu.Lock()
	s.seen().yield = nil
	s.mu.Unlock()
	if err != nil && errors.Is(context.Cause(ctx), errOvertaken) {
		return errOvertaken
	}
	return err
}

// hasten lets the slot line up anew: its turn may come sooner now. s.mu is held.
func (e *Engine) hasten(s *slot) {
	e.unreserve(s)
	if o := s.notes; o != nil && o.yield != nil {
		o.yield()
	}
}

func causeOf(q Request) Cause {
	if q.Compromised {
		return ByCompro
	}
	return ByRequest
}

func (e *Engine) named(relay, typ string) (*slot, error) {
	if s := e.roster.Load().find(relay, moq.TokenType(typ)); s != nil {
		return s, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.NotFound, "find slot", relay+"/"+typ,
		"no such slot is configured").WithHint("`rotatord status` lists the slots")
}

// History gives the newest events first, of one slot, one relay (typ empty) or all (both empty).
func (e *Engine) History(ctx context.Context, relay, typ string, limit int) ([]Event, error) {
	events, err := e.history(ctx, relay, typ, limit)
	for i := range events {
		events[i].Detail = fitMessage(events[i].Detail)
	}
	return events, err
}

func (e *Engine) history(ctx context.Context, relay, typ string, limit int) ([]Event, error) {
	if relay == "" {
		return e.Journal.History(ctx, nil, limit)
	}
	var out []Event
	var errs []error
	found := false
	for _, t := range moq.Types() {
		s, err := e.named(relay, string(t))
		if err != nil || typ != "" && typ != string(t) {
			continue
		}
		found = true
		events, err := e.Journal.History(ctx, &s.rec.Key, limit)
		errs = append(errs, err)
		out = mergeNewest(out, events, limit)
	}
	if !found {
		_, err := e.named(relay, orElse(typ, "*"))
		return nil, err
	}
	return out, errors.Join(errs...)
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

// PlannedRun is one rotation that a schedule will start.
type PlannedRun struct {
	At       time.Time     `json:"at"` // jitter included
	Slot     string        `json:"slot"`
	Relay    string        `json:"relay"`
	Type     moq.TokenType `json:"type"`
	Account  string        `json:"account"`
	Strategy moq.Strategy  `json:"strategy"`
}

// maxRuns bounds what is planned of one slot.
const maxRuns = 1000

// Upcoming gives the runs that schedules will start before until, in no order.
func (e *Engine) Upcoming(until time.Time) []PlannedRun {
	var out []PlannedRun
	for _, n := range *e.roster.Load() {
		s := n.slot
		s.mu.Lock()
		if v := e.view(s); v.p != nil {
			out = append(out, v.upcoming(until)...)
		}
		s.mu.Unlock()
	}
	return out
}

// Forecast gives the runs of a slot that is seen for the first time now.
func Forecast(p *Plan, now, until time.Time) []PlannedRun {
	seen := MomentOf(now.Round(0).Truncate(time.Second))
	v := &view{r: &Record{Key: p.Key, FirstSeen: seen}, p: p, o: &observed{}, now: now.Round(0), since: now}
	return v.upcoming(until)
}

func (v *view) upcoming(until time.Time) []PlannedRun {
	var out []PlannedRun
	add := func(at time.Time) {
		out = append(out, PlannedRun{
			At: utc(later(at, v.now)), Slot: v.p.Slot(), Relay: v.p.Relay, Type: v.p.Key.Type,
			Account: v.p.Account, Strategy: v.p.Strategy,
		})
	}
	if d := v.first(); d.cause != "" {
		add(d.at)
	}
	if v.p.Schedule == nil {
		return out
	}
	for t := v.p.Schedule.Next(v.base()); !t.IsZero() && len(out) < maxRuns; t = v.p.Schedule.Next(t) {
		t = later(t, v.p.Schedule.Latest(t, v.now)) // missed instants run once
		if v.jittered(t).After(until) {
			break
		}
		add(v.jittered(t))
	}
	return out
}
