package daemon

import (
	"context"

	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/slot"
)

// What the pages and the API ask for, as web.Daemon says it.

func (d *daemon) unready(err error) { d.starting.Store(&err) }

// Ready is nil, or why this daemon cannot do its work at present.
func (d *daemon) Ready() error {
	if r := d.replica.Load(); r != nil {
		return r.ready()
	}
	if err := *d.starting.Load(); err != nil {
		return err
	}
	return d.core.Load().engine.StorageErr()
}

// notWorking says why nothing works at the slots here.
func (d *daemon) notWorking() error {
	if r := d.replica.Load(); r != nil {
		return r.standingBy()
	}
	return errStarting
}

// Statuses visits every slot; none while rotatord is starting. Of a standby, metrics alone ask for them.
func (d *daemon) Statuses(yield func(*slot.Status) bool) {
	if c := d.core.Load(); c != nil {
		c.engine.Statuses(yield)
	} else if r := d.replica.Load(); r != nil {
		r.statusesForMetrics(yield)
	}
}

// Notes are what a person should know of the installation, beside its slots.
func (d *daemon) Notes() []string {
	notes := append(d.accounts.notes(), d.fileNotes()...)
	if r := d.replica.Load(); r != nil {
		notes = append(r.replicaNotes(), notes...)
	}
	return notes
}

// StatusOf returns one slot's status.
func (d *daemon) StatusOf(relay, typ string) (slot.Status, bool) {
	c := d.core.Load()
	if c == nil {
		return slot.Status{}, false
	}
	return c.engine.StatusOf(relay, typ)
}

// Rotate makes a request durable.
func (d *daemon) Rotate(ctx context.Context, relay, typ, by string, compromised bool) (slot.Status, error) {
	c := d.core.Load()
	if c == nil {
		return slot.Status{}, d.notWorking()
	}
	d.backends.Load().logins.AllowOnce() // who asks may have mended what was refused
	return c.engine.Rotate(ctx, relay, typ, by, compromised)
}

// History returns the newest events first.
func (d *daemon) History(ctx context.Context, relay, typ string, limit int) ([]slot.Event, error) {
	c := d.core.Load()
	if c == nil {
		return nil, d.notWorking()
	}
	return rotation.NewAdministration(c.engine).History(ctx, relay, typ, limit)
}

// Tokens lists what a relay holds.
func (d *daemon) Tokens(ctx context.Context, relay string) ([]slot.RelayToken, error) {
	c := d.core.Load()
	if c == nil {
		return nil, d.notWorking()
	}
	return rotation.NewAdministration(c.engine).Tokens(ctx, relay)
}

// Prune revokes former tokens, or lists them.
func (d *daemon) Prune(ctx context.Context, relay string, ids []string, dryRun bool) ([]slot.RelayToken, error) {
	c := d.core.Load()
	if c == nil {
		return nil, d.notWorking()
	}
	return rotation.NewAdministration(c.engine).Prune(ctx, relay, ids, dryRun)
}
