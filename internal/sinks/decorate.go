package sinks

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

// Observer is told what a sink's calls came to; metrics implement it. Its
// methods do not block and are safe for concurrent use.
type Observer interface {
	// Delivered is called once for each Write that was not held back.
	Delivered(sink, sinkType string, ok bool, took time.Duration)
	// Contacted is called once after each Probe, Read and Write that was neither cancelled nor refused for its
	// size, nor held back. up says that the store can be reached, takes our credentials and has room (isUp), whatever it
	// thinks of the target.
	Contacted(sink string, up bool, at time.Time)
}

// Decorate gives s what every sink needs around it: a bound on each operation and
// on each content, panics turned into errors, the sink's name in every error, errors without secrets,
// and metrics. A nil Observer is fine; so is a timeout of zero, for none.
func Decorate(name, typ string, s Sink, timeout time.Duration, o Observer) Sink {
	if o == nil {
		o = nobody{}
	}
	return &decorated{Sink: s, name: name, typ: typ, timeout: timeout, observer: o}
}

type decorated struct {
	Sink
	name, typ string
	timeout   time.Duration
	observer  Observer
}

func (d *decorated) Render(r Record) (v secret.Value, err error) {
	err = Guard("render", r.Relay+"/"+r.Type, func() error {
		v, err = d.Sink.Render(r)
		return err
	})
	return v, Redacted(d.withName("render", r.Relay+"/"+r.Type, err), r.Token)
}

func (d *decorated) Probe(ctx context.Context, target string, o ProbeOptions) (h Holding, err error) {
	large := Fits("probe", target, o.Trial, d.MaxContent())
	if large != nil && !o.Guessed {
		return Holding{}, d.withName("probe", target, large)
	}
	err = d.callBounded(ctx, "probe", target, func(ctx context.Context) error {
		h, err = d.Sink.Probe(ctx, target, o)
		return confideContent(ctx, err, h.Content)
	})
	d.reportContact(ctx, err)
	if large != nil {
		h.Warnings = append(h.Warnings, TooLargeAsGuessed(large))
	}
	return h, err
}

func (d *decorated) Place(ctx context.Context, target string) (place string, err error) {
	err = d.callBounded(ctx, "look for", target, func(ctx context.Context) error {
		place, err = d.Sink.Place(ctx, target)
		return err
	})
	return place, err
}

func (d *decorated) Write(ctx context.Context, target string, content secret.Value, o WriteOptions) error {
	began := time.Now()
	if large := Fits("write", target, content, d.MaxContent()); large != nil {
		d.observer.Delivered(d.name, d.typ, false, time.Since(began))
		return d.withName("write", target, large)
	}
	err := d.callBounded(ctx, "write", target, func(ctx context.Context) error {
		return confideContent(ctx, d.Sink.Write(ctx, target, content, o), content)
	})
	if !fault.IsHeldBack(err) {
		d.observer.Delivered(d.name, d.typ, err == nil, time.Since(began))
	}
	d.reportContact(ctx, err)
	return err
}

func (d *decorated) Read(ctx context.Context, target string) (h Holding, err error) {
	err = d.callBounded(ctx, "read", target, func(ctx context.Context) error {
		h, err = d.Sink.Read(ctx, target)
		return confideContent(ctx, err, h.Content)
	})
	d.reportContact(ctx, err)
	return h, err
}

// reportContact reports what a call tells of the store: nothing, where it was cancelled or did not leave.
func (d *decorated) reportContact(ctx context.Context, err error) {
	if ctx.Err() == nil && (err == nil || !fault.Of(err).Unsent) {
		d.observer.Contacted(d.name, isUp(err), time.Now())
	}
}

func (d *decorated) Refresh(ctx context.Context) (changed bool, err error) {
	err = d.callBounded(ctx, "refresh", "", func(ctx context.Context) error {
		changed, err = d.Sink.Refresh(ctx)
		return err
	})
	return changed, err
}

func (d *decorated) Close() error {
	return Redacted(d.withName("close", "", Guard("close", "", d.Sink.Close)))
}

func (d *decorated) callBounded(ctx context.Context, op, target string, call func(context.Context) error) error {
	inner, cancel := ctx, context.CancelFunc(func() {})
	if d.timeout > 0 {
		inner, cancel = context.WithTimeout(ctx, d.timeout)
	}
	defer cancel()
	known := new(Confidences)
	err := d.withName(op, target, Guard(op, target, func() error { return call(known.ListeningContext(inner)) }))
	if err = Redacted(err, known.Values()...); err != nil && inner.Err() != nil && ctx.Err() == nil {
		return d.timeoutError(err)
	}
	return err
}

// timeoutError says that it was the sink's own bound that ended the call, unless the
// call had found a better reason by then.
func (d *decorated) timeoutError(err error) error {
	f := *fault.Of(err)
	if !slices.Contains([]fault.Reason{fault.Timeout, fault.Canceled, fault.Unreachable}, f.Reason) {
		return err
	}
	f.Class, f.Reason = fault.Retry, fault.Timeout
	f.Err = fmt.Errorf("no answer within the sink's timeout of %s", d.timeout)
	return &f
}

// withName returns err as a *fault.Error whose object begins with the sink's name.
func (d *decorated) withName(op, target string, err error) error {
	if err == nil {
		return nil
	}
	f := *fault.Of(err)
	if f.Op == "" {
		f.Op = op
	}
	if f.Object == "" {
		f.Object = target
	}
	if f.Object != d.name && !strings.HasPrefix(f.Object, d.name+" ") {
		f.Object = strings.TrimSpace(d.name + " " + f.Object)
	}
	return &f
}

// isUp reports whether a call's outcome shows a store that answers and takes
// our credentials: it does, or what it refuses is about the target alone, which a full
// disk is not. A store that limits us is up; whether slots wait for it is rotation.upstreamStateOf's to say, and what
// a target is under such an error slot.stateUnder's. Of an account, cf.accountState
// says it. docs/metrics.md has the four side by side.
func isUp(err error) bool {
	if err == nil {
		return true
	}
	aboutTarget := []fault.Reason{fault.Forbidden, fault.NotFound, fault.Foreign, fault.Conflict, fault.Mismatch, fault.Invalid, fault.RateLimited}
	return slices.Contains(aboutTarget, fault.Of(err).Reason)
}

// Guard runs f and turns a panic into an error that says where it happened.
func Guard(op, object string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Newf(fault.Retry, fault.Internal, op, object, "panic: %s", DescribePanic(p)).
				WithHint("this is a fault of rotatord; please report it")
		}
	}()
	return f()
}

// DescribePanic says what panicked, and where. A panic's text is shown only when the runtime wrote it: another may hold
// a value. It is called in the deferred call, while the panicking frames are still there.
func DescribePanic(p any) string {
	what := fmt.Sprintf("a %T", p)
	var r runtime.Error
	if e, ok := p.(error); ok && errors.As(e, &r) {
		what = r.Error()
	}
	return what + " in " + panicSite()
}

// panicSite names the function that panicked: the first one below the runtime's
// own panic machinery.
func panicSite() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for panicked := false; ; {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		if panicked && !inRuntime || !more {
			return fmt.Sprintf("%s, line %d", f.Function, f.Line)
		}
		panicked = panicked || inRuntime
	}
}

type nobody struct{}

func (nobody) Delivered(string, string, bool, time.Duration) {}
func (nobody) Contacted(string, bool, time.Time)             {}
