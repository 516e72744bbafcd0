package rotation

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// callContext is the context of a call to a sink: consumers of a slot in blackout wait
// for its required ones.
func (w *worker) callContext(t slot.Target) context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !t.Required || w.record.BlackoutSince().IsZero() {
		return w.engine.work
	}
	return sinks.Urgent(w.engine.work)
}

func (w *worker) sink(t slot.Target) (sinks.Sink, error) {
	if sink, ok := w.engine.backends.Load().sinks.Sink(t.Sink); ok {
		return reportingSink{sink, w.engine.outages, t.Sink}, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.Invalid, "reach sink", t.Sink, "no sink of this name is configured any more")
}

func (w *worker) account() (Cloudflare, error) {
	if cf, ok := w.engine.backends.Load().accounts.Account(w.record.Key.AccountID); ok {
		return reportingAccount{cf, w.engine.outages, w.record.Key.AccountID}, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.Invalid, "reach account", w.record.Key.AccountID,
		"no account with this id is configured any more")
}

// reportingSink is a sink whose answers show whether it is well.
type reportingSink struct {
	sinks.Sink
	outages *outages
	name    string
}

func (r reportingSink) noteRead(began time.Duration, err error) error {
	return r.outages.noteCallOutcome(upstream{name: r.name}, began, err)
}

func (r reportingSink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	began := r.outages.elapsed()
	held, err := r.Sink.Probe(ctx, target, o)
	return held, r.noteRead(began, err)
}

// Place shows no end of an outage: it may be known without a call.
func (r reportingSink) Place(ctx context.Context, target string) (string, error) {
	began := r.outages.elapsed()
	place, err := r.Sink.Place(ctx, target)
	if err != nil {
		err = r.noteRead(began, err)
	}
	return place, err
}

func (r reportingSink) Read(ctx context.Context, target string) (sinks.Holding, error) {
	began := r.outages.elapsed()
	held, err := r.Sink.Read(ctx, target)
	return held, r.noteRead(began, err)
}

func (r reportingSink) Write(ctx context.Context, target string, content secret.Value, o sinks.WriteOptions) error {
	began := r.outages.elapsed()
	return r.outages.noteCallOutcome(upstream{name: r.name, writes: true}, began, r.Sink.Write(ctx, target, content, o))
}

// reportingAccount is an account whose answers show whether it is well.
type reportingAccount struct {
	Cloudflare
	outages *outages
	id      string
}

func (r reportingAccount) noteCall(began time.Duration, err error) error {
	return r.outages.noteCallOutcome(upstream{account: true, name: r.id}, began, err)
}

func (r reportingAccount) noteMint(began time.Duration, err error) error {
	return r.outages.noteCallOutcome(upstream{account: true, name: r.id, writes: true}, began, err)
}

func (r reportingAccount) Prove(ctx context.Context, p moq.Priority, relayID string) error {
	began := r.outages.elapsed()
	err := r.Cloudflare.Prove(ctx, p, relayID)
	if err == nil {
		return nil // that may be an answer of before the outage, which shows no end of it
	}
	return r.noteCall(began, err)
}

func (r reportingAccount) Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error) {
	began := r.outages.elapsed()
	made, err := r.Cloudflare.Create(ctx, p, relayID, t)
	return made, r.noteMint(began, err)
}

func (r reportingAccount) List(ctx context.Context, p moq.Priority, relayID string) (moq.TokenList, error) {
	began := r.outages.elapsed()
	listed, err := r.Cloudflare.List(ctx, p, relayID)
	return listed, r.noteCall(began, err)
}

func (r reportingAccount) Revoke(ctx context.Context, p moq.Priority, relayID, tokenID string) error {
	began := r.outages.elapsed()
	return r.noteCall(began, r.Cloudflare.Revoke(ctx, p, relayID, tokenID))
}

func (r reportingAccount) Rotate(ctx context.Context, p moq.Priority, relayID string, t moq.TokenType) (secret.Value, error) {
	began := r.outages.elapsed()
	value, err := r.Cloudflare.Rotate(ctx, p, relayID, t)
	return value, r.noteMint(began, err)
}
