package sinks

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

const (
	// openWithin bounds one try to open a sink: opening may ask a metadata service. What
	// heeds no bound, a read of a FIFO, is left to itself, and the next try is given twice
	// the time: each that is left keeps a thread.
	openWithin = 30 * time.Second
	// openEvery is the least time between a try that failed and the next: a fleet
	// that waits for one sink must not make it thousands.
	openEvery = 250 * time.Millisecond

	opOpen    = "open sink"
	opRefresh = "refresh sink"
)

// Deferred is a Sink that opens behind its callers: at once, and if that fails
// again with a later call, for which it is not sooner than openEvery. Until it is
// open, every call fails with the reason why it is not, which is one to try again;
// Close alone does not. So what a sink lacks when rotatord starts, a file or
// a variable, is that sink's trouble and nobody else's.
type Deferred struct {
	name string
	spec Spec
	open func(context.Context) (Sink, error)
	life context.Context // ends with Close
	end  context.CancelFunc

	refreshes singleflight.Group
	templates Templates

	mu   sync.Mutex
	last *opening
	left uint // how many tries in a row were left to themselves
}

// opening is one try. All but done may be read once that is closed.
type opening struct {
	began time.Time
	done  chan struct{}
	sink  Sink // nil if it failed
	err   error
	ended time.Time
}

// Defer begins to open the sink of spec, and waits for nothing.
func Defer(spec Spec, o OpenOptions) *Deferred {
	d := &Deferred{name: o.Name, spec: spec}
	d.open = func(ctx context.Context) (Sink, error) { return spec.Open(ctx, o) }
	d.life, d.end = context.WithCancel(context.Background())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = d.startOpening()
	return d
}

// startOpening starts a try. d.mu is held.
func (d *Deferred) startOpening() *opening {
	try := &opening{began: time.Now(), done: make(chan struct{})}
	go func() {
		ctx, cancel := context.WithTimeout(d.life, openWithin)
		defer cancel()
		var s Sink
		err := Guard(opOpen, d.name, func() (err error) {
			s, err = d.open(ctx)
			return err
		})
		d.finishOpening(try, s, err)
	}()
	return try
}

// finishOpening makes known what came of a try. A sink that is not wanted any more is closed.
func (d *Deferred) finishOpening(try *opening, s Sink, err error) {
	d.mu.Lock()
	if err != nil {
		try.err = d.asSetup(err)
	}
	try.sink, try.ended = s, time.Now()
	close(try.done)
	wanted := d.last == try && d.life.Err() == nil
	if wanted {
		d.left = 0
	}
	d.mu.Unlock()
	if err == nil && !wanted {
		_ = Guard("close", d.name, s.Close)
	}
}

// asSetup returns err as one of this sink's opening: whatever a kind of sink says of it, the opening is tried again, and
// what is wrong with its configuration counts as setup.
func (d *Deferred) asSetup(err error) error {
	f := *fault.Of(err)
	if _, classed := errors.AsType[*fault.Error](err); !classed || f.Reason == fault.Invalid {
		f.Reason = fault.Setup
	}
	f.Class, f.Op, f.Object = fault.Retry, opOpen, d.name
	if f.Hint == "" {
		f.Hint = "mend it; it is tried again"
	}
	return &f
}

// Opened waits until the sink is open, or the present try to open it has failed
// or ctx has ended, and returns why it is not. It begins no try.
func (d *Deferred) Opened(ctx context.Context) error {
	_, err := d.awaitOpening(ctx, d.currentOpening())
	return err
}

func (d *Deferred) currentOpening() *opening {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// awaitOpening waits for what comes of a try.
func (d *Deferred) awaitOpening(ctx context.Context, try *opening) (Sink, error) {
	if !try.isOver() {
		select {
		case <-try.done:
		case <-ctx.Done():
			return nil, d.hangsError(ctx, opOpen)
		}
	}
	return try.sink, try.err
}

// openedSink returns the open sink, for one call.
func (d *Deferred) openedSink(ctx context.Context) (Sink, error) {
	return d.awaitOpening(ctx, d.currentOrNextOpening(openEvery))
}

// currentOrNextOpening returns the present try, or a new one if that has failed, floor ago or longer,
// or does not come to an end.
func (d *Deferred) currentOrNextOpening(floor time.Duration) *opening {
	d.mu.Lock()
	defer d.mu.Unlock()
	over := d.last.isOver()
	hangs := !over && time.Since(d.last.began) > openWithin<<d.left
	if d.life.Err() == nil && (hangs || over && d.last.err != nil && time.Since(d.last.ended) >= floor) {
		if hangs {
			d.left++
		}
		d.last = d.startOpening()
	}
	return d.last
}

func (o *opening) isOver() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// Render implements Sink. It needs no open sink.
func (d *Deferred) Render(r Record) (secret.Value, error) { return d.spec.Render(&d.templates, r) }

// Probe implements Sink.
func (d *Deferred) Probe(ctx context.Context, target string, o ProbeOptions) (Holding, error) {
	s, err := d.openedSink(ctx)
	if err != nil {
		return Holding{}, err
	}
	return s.Probe(ctx, target, o)
}

// Write implements Sink.
func (d *Deferred) Write(ctx context.Context, target string, content secret.Value, o WriteOptions) error {
	s, err := d.openedSink(ctx)
	if err != nil {
		return err
	}
	return s.Write(ctx, target, content, o)
}

// MaxContent implements Sink.
func (d *Deferred) MaxContent() int { return d.spec.MaxContent() }

// Place implements Sink.
func (d *Deferred) Place(ctx context.Context, target string) (string, error) {
	s, err := d.openedSink(ctx)
	if err != nil {
		return "", err
	}
	return s.Place(ctx, target)
}

// Read implements Sink.
func (d *Deferred) Read(ctx context.Context, target string) (Holding, error) {
	s, err := d.openedSink(ctx)
	if err != nil {
		return Holding{}, err
	}
	return s.Read(ctx, target)
}

// Refresh implements Sink. A sink that is not open is tried to be opened at once,
// which is a change. One that reads what does not answer is left to it.
func (d *Deferred) Refresh(ctx context.Context) (changed bool, err error) {
	wasOpen := d.isOpen()
	s, err := d.awaitOpening(ctx, d.currentOrNextOpening(0))
	if err != nil || !wasOpen {
		return err == nil, err
	}
	done := d.refreshes.DoChan("", func() (changed any, err error) {
		err = Guard(opRefresh, d.name, func() error {
			changed, err = s.Refresh(d.life)
			return err
		})
		return changed, err
	})
	select {
	case r := <-done:
		changed, _ = r.Val.(bool)
		return changed, r.Err
	case <-ctx.Done():
		return false, d.hangsError(ctx, opRefresh)
	}
}

func (d *Deferred) isOpen() bool {
	try := d.currentOpening()
	return try.isOver() && try.err == nil
}

// hangsError is for what has not come to an end with ctx.
func (d *Deferred) hangsError(ctx context.Context, op string) error {
	f := fault.NoAnswer(op, d.name, ctx.Err())
	f.Err = errors.New("there is no end of it yet")
	return f.WithHint("what it reads does not answer: a file system, or a metadata service")
}

// Close implements Sink. It waits for no try under way.
func (d *Deferred) Close() error {
	d.mu.Lock()
	d.end()
	d.mu.Unlock()
	if d.isOpen() {
		return d.currentOpening().sink.Close()
	}
	return nil
}
