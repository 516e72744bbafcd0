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
		return observedSink{sink, w.engine.outages, t.Sink}, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.Invalid, "reach sink", t.Sink, "no sink of this name is configured any more")
}

func (w *worker) account() (Cloudflare, error) {
	if cf, ok := w.engine.backends.Load().accounts.Account(w.record.Key.AccountID); ok {
		return observedAccount{cf, w.engine.outages, w.record.Key.AccountID}, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.Invalid, "reach account", w.record.Key.AccountID,
		"no account with this id is configured any more")
}

// observedSink is a sink whose answers show whether it is well.
type observedSink struct {
	sinks.Sink
	outages *outages
	name    string
}

func (h observedSink) noteRead(began time.Duration, err error) error {
	return h.outages.noteCallOutcome(upstream{name: h.name}, began, err)
}

func (h observedSink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	began := h.outages.elapsed()
	held, err := h.Sink.Probe(ctx, target, o)
	return held, h.noteRead(began, err)
}

// Place shows no end of an outage: it may be known without a call.
func (h observedSink) Place(ctx context.Context, target string) (string, error) {
	began := h.outages.elapsed()
	place, err := h.Sink.Place(ctx, target)
	if err != nil {
		err = h.noteRead(began, err)
	}
	return place, err
}

func (h observedSink) Read(ctx context.Context, target string) (sinks.Holding, error) {
	began := h.outages.elapsed()
	held, err := h.Sink.Read(ctx, target)
	return held, h.noteRead(began, err)
}

func (h observedSink) Write(ctx context.Context, target string, content secret.Value, o sinks.WriteOptions) error {
	began := h.outages.elapsed()
	return h.outages.noteCallOutcome(upstream{name: h.name, writes: true}, began, h.Sink.Write(ctx, target, content, o))
}

// observedAccount is an account whose answers show whether it is well.
type observedAccount struct {
	Cloudflare
	outages *outages
	id      string
}

func (h observedAccount) noteCall(began time.Duration, err error) error {
	return h.outages.noteCallOutcome(upstream{account: true, name: h.id}, began, err)
}

func (h observedAccount) noteMint(began time.Duration, err error) error {
	return h.outages.noteCallOutcome(upstream{account: true, name: h.id, writes: true}, began, err)
}

func (h observedAccount) Prove(ctx context.Context, p moq.Priority, relayID string) error {
	began := h.outages.elapsed()
	err := h.Cloudflare.Prove(ctx, p, relayID)
	if err == nil {
		return nil // that may be an answer of before the outage, which shows no end of it
	}
	return h.noteCall(began, err)
}

func (h observedAccount) Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error) {
	began := h.outages.elapsed()
	made, err := h.Cloudflare.Create(ctx, p, relayID, t)
	return made, h.noteMint(began, err)
}

func (h observedAccount) List(ctx context.Context, p moq.Priority, relayID string) (moq.TokenList, error) {
	began := h.outages.elapsed()
	listed, err := h.Cloudflare.List(ctx, p, relayID)
	return listed, h.noteCall(began, err)
}

func (h observedAccount) Revoke(ctx context.Context, p moq.Priority, relayID, tokenID string) error {
	began := h.outages.elapsed()
	return h.noteCall(began, h.Cloudflare.Revoke(ctx, p, relayID, tokenID))
}

func (h observedAccount) Rotate(ctx context.Context, p moq.Priority, relayID string, t moq.TokenType) (secret.Value, error) {
	began := h.outages.elapsed()
	value, err := h.Cloudflare.Rotate(ctx, p, relayID, t)
	return value, h.noteMint(began, err)
}
