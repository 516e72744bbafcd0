package file

import (
	"context"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/limit"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// maxSize bounds what is read of a target, and so what is written there.
const maxSize = 1 << 20

// maxBusy bounds the calls that may wait for the kernel at once: each holds a thread.
const maxBusy = 64

type sink struct {
	config    Config
	mode      fs.FileMode
	templates sinks.Templates
	disk      disk
	busy      busy
}

// Render implements sinks.Sink.
func (s *sink) Render(r sinks.Record) (secret.Value, error) { return s.config.Render(&s.templates, r) }

// MaxContent implements sinks.Sink.
func (s *sink) MaxContent() int { return maxSize }

// Probe looks at the target and at everything that a write would need. With a trial it tries
// the rest, too.
func (s *sink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	return runApart(ctx, s, "probe", target, func() (sinks.Holding, error) {
		who, err := s.lookUpOwner()
		if err != nil {
			return sinks.Holding{}, err
		}
		if err := s.disk.mayWrite(target, len(o.Trial.Reveal()), who); err != nil {
			return sinks.Holding{}, err
		}
		old, h, err := s.disk.lookInto(target)
		from := old.grantFor(who, o.Ours)
		if err := mayReadBack(s.mode, who, from.nextACL(s.mode)); o.Read && err != nil {
			return sinks.Holding{}, err
		}
		if !o.Read && isForbidden(err) {
			h, err = sinks.Holding{}, nil
		}
		if err != nil {
			return sinks.Holding{}, err
		}
		if o.Trial.IsEmpty() {
			h.Untried, h.Warnings = untried, lossWarnings(from.expectedLosses())
			return h, nil
		}
		h.Warnings, err = s.disk.tryWrite(target, o.Trial, s.mode, who, from, o.Read)
		if errors.Is(err, unix.EWOULDBLOCK) { // somebody writes there just now: it can be done
			h.Untried, err = untried, nil
		}
		return h, err
	})
}

// Write replaces the target by a new file that holds content.
func (s *sink) Write(ctx context.Context, target string, content secret.Value, o sinks.WriteOptions) error {
	_, err := runApart(ctx, s, "write", target, func() (struct{}, error) {
		who, err := s.lookUpOwner()
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.disk.write(ctx, target, content, s.mode, who, o.Ours)
	})
	return err
}

// Read returns the file's bytes. A symbolic link at the target, and a file that is
// too large to be ours, exist with no content.
func (s *sink) Read(ctx context.Context, target string) (sinks.Holding, error) {
	return runApart(ctx, s, "read", target, func() (sinks.Holding, error) { return s.disk.read(target) })
}

// Refresh has nothing to read again.
func (s *sink) Refresh(context.Context) (changed bool, err error) { return false, nil }

// Close has nothing to end: a call that the kernel holds cannot be recalled.
func (s *sink) Close() error { return nil }

// runApart does work apart from the caller, who leaves when ctx ends even if the
// kernel does not answer (a hung network file system). The target stays taken
// until then, so that nothing overtakes a write that is stuck.
func runApart[T any](ctx context.Context, s *sink, op, target string, work func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	leave, err := s.busy.awaitTurn(ctx, target)
	if err != nil {
		var none T
		return none, toFault(op, target, err)
	}
	answers := make(chan answer, 1)
	go func() {
		defer leave()
		var a answer
		a.err = sinks.Guard(op, target, func() (err error) {
			a.v, err = work()
			return err
		})
		answers <- a
	}()
	select {
	case a := <-answers:
		return a.v, toFault(op, target, a.err)
	case <-ctx.Done():
		var none T
		return none, toFault(op, target, ctx.Err())
	}
}

// busy bounds the calls under way: one at a target at a time, and so many in all.
type busy struct {
	targets *limit.Keyed
	all     *limit.Limiter
}

func newBusy(most int) busy { return busy{limit.NewKeyed(), limit.New(most)} }

// awaitTurn waits until a call may begin; leave ends its turn. It waits for the target first: who waits for that
// keeps nobody else out.
func (b busy) awaitTurn(ctx context.Context, target string) (leave func(), err error) {
	alone, err := b.targets.Enter(ctx, target)
	if err != nil {
		return nil, err
	}
	room, err := b.all.Enter(ctx)
	if err != nil {
		alone()
		return nil, err
	}
	return func() {
		room()
		alone()
	}, nil
}
