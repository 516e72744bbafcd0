package daemon

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/secret"
)

// store is where records are kept.
type store interface {
	rotation.Journal
	// Size is how many bytes it takes; -1 while that is not known.
	Size() int64
	// Unmap gives back what memory holds of files.
	Unmap()
	Close() error
}

// core is what does the rotating: as long as the process runs, or, of several replicas, for a term.
type core struct {
	journal  store
	identity *secret.Identity
	// identityErr is why the identity could not be written anew, the last time; who watches the storage uses it.
	identityErr error

	engine *rotation.Engine
	queue  *scheduler.Queue[*moq.Key]
	term   term

	// Of several replicas:
	since    time.Time // it leads
	revision int64     // of the term
}

// term is for how long this process does the rotating.
type term interface {
	MayAct() error         // why not, at present
	Over() <-chan struct{} // closed when it is over for good
}

// untilOver returns a context that ends with a term, too.
func untilOver(ctx context.Context, t term) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-t.Over():
			cancel(t.MayAct())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// lifelong is the term of who is alone.
type lifelong struct{}

func (lifelong) MayAct() error         { return nil }
func (lifelong) Over() <-chan struct{} { return nil }

func newCore(s store, id *secret.Identity, t term) *core {
	return &core{journal: s, identity: id, queue: scheduler.NewQueue[*moq.Key](time.Now), term: t}
}

// load makes the engine, and has it know all records.
func (d *daemon) load(ctx context.Context, c *core, cfg *config.Config, clock rotation.Clock) error {
	c.engine = rotation.New(c.withTerm(rotation.Options{
		Instance: cfg.Instance, BuiltAt: d.builtAt, Journal: c.journal, Sealer: c.identity, Alarm: c.queue,
		Clock: clock, Observer: d.metrics, Log: d.log,
	}))
	return c.engine.Load(ctx, cfg.Plans())
}

// engine is nil while nothing works at the slots here.
func (d *daemon) engine() *rotation.Engine {
	if c := d.core.Load(); c != nil {
		return c.engine
	}
	return nil
}

// journalSize is how many bytes the journal takes; -1 while that is not known.
func (d *daemon) journalSize() int64 {
	if r := d.replica.Load(); r != nil {
		return r.size()
	}
	if c := d.core.Load(); c != nil {
		return c.journal.Size()
	}
	return -1
}

// stopSlots finishes the steps in hand. What is missing of the state's files is written anew while all is known.
// Some of its time is kept for writing down what came of calls that have to be cut off.
func (d *daemon) stopSlots(ctx context.Context, c *core) error {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-timeToSave(time.Until(end))))
		defer cancel()
	}
	defer c.haltOnceOver()()
	c.engine.Stop(ctx)
	if c.engine.StorageErr() == nil {
		d.keepIdentity(c)
	}
	return nil
}

// haltOnceOver has the engine halt when its term is over, until the result is called.
func (c *core) haltOnceOver() (stop func()) {
	select {
	case <-c.term.Over():
		c.engine.Halt()
		return func() {}
	default:
	}
	stopped := make(chan struct{})
	go func() {
		select {
		case <-c.term.Over():
			c.engine.Halt()
		case <-stopped:
		}
	}()
	return func() { close(stopped) }
}

// timeToSave returns how much of a time to stop is kept for writing: an eighth, and where that is little a second.
func timeToSave(left time.Duration) time.Duration {
	return max(left/8, min(time.Second, left/2))
}
