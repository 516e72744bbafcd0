package awssm

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"golang.org/x/sync/singleflight"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// renewed is the sink as the SDK's files have it. The SDK reads them once; here they
// are read again when a call has failed and they have changed since (keys that were
// replaced, a file that was half written), and when Refresh asks.
type renewed struct {
	sinks.Apart
	name   string
	open   func(context.Context) (*sink, error)
	flight singleflight.Group
	inUse  atomic.Pointer[sink]
}

// withSink calls work with the sink, and, if that fails and the files have changed, again
// with the one that they make now. Every call may be repeated.
func (r *renewed) withSink(ctx context.Context, work func(*sink) error) error {
	s := r.inUse.Load()
	err := work(s)
	if err == nil || ctx.Err() != nil {
		return err
	}
	next, failed := r.openAgain(ctx, s)
	switch {
	case failed != nil:
		f := *fault.Of(err)
		return f.WithHint("%s", joinHints(f.Hint, "the files of AWS's SDK have changed since: "+failed.Error()))
	case next == s:
		return err
	}
	r.replaceSink(s, next)
	return work(next)
}

func joinHints(hint, more string) string {
	if hint == "" {
		return more
	}
	return hint + "; " + more
}

// openAgain opens the sink anew if the files have changed since s was opened; else it
// gives s, or what has taken its place. It does not put it to use.
func (r *renewed) openAgain(ctx context.Context, s *sink) (*sink, error) {
	done := r.flight.DoChan("", func() (any, error) {
		if now := r.inUse.Load(); now != s || s.files.areAsBefore() {
			return now, nil
		}
		return r.open(context.WithoutCancel(ctx))
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-done:
		if a.Err != nil {
			return nil, a.Err
		}
		return a.Val.(*sink), nil
	}
}

// replaceSink puts next to use, unless somebody else's was faster.
func (r *renewed) replaceSink(s, next *sink) {
	if r.inUse.CompareAndSwap(s, next) {
		_ = s.Close()
	}
}

// Refresh implements sinks.Sink. Files that no longer hold any credentials are taken
// for half written, as long as the former ones work.
func (r *renewed) Refresh(ctx context.Context) (changed bool, err error) {
	s := r.inUse.Load()
	next, err := r.openAgain(ctx, s)
	switch {
	case err != nil:
		return false, err
	case next.isBare() && !s.isBare():
		_ = next.Close()
		return false, fault.Newf(fault.Retry, fault.Setup, "refresh", r.name, "the files of AWS's SDK hold no credentials any more").
			WithHint("those that they held stay in use until AWS refuses them; mend the files: %s", s.files)
	}
	r.replaceSink(s, next)
	return next != s, nil
}

// isBare reports whether nothing names credentials: then the SDK asks the machine for its own.
func (s *sink) isBare() bool { return slices.Contains(s.credentials, aws.CredentialSourceIMDS) }

// MaxContent implements sinks.Sink.
func (r *renewed) MaxContent() int { return maxSize }

// Render implements sinks.Sink.
func (r *renewed) Render(rec sinks.Record) (secret.Value, error) { return r.inUse.Load().Render(rec) }

// Probe implements sinks.Sink.
func (r *renewed) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (h sinks.Holding, err error) {
	err = r.withSink(ctx, func(s *sink) error { h, err = s.Probe(ctx, target, o); return err })
	return h, err
}

// Write implements sinks.Sink.
func (r *renewed) Write(ctx context.Context, target string, content secret.Value, o sinks.WriteOptions) error {
	return r.withSink(ctx, func(s *sink) error { return s.Write(ctx, target, content, o) })
}

// Read implements sinks.Sink.
func (r *renewed) Read(ctx context.Context, target string) (h sinks.Holding, err error) {
	err = r.withSink(ctx, func(s *sink) error { h, err = s.Read(ctx, target); return err })
	return h, err
}

// Close implements sinks.Sink.
func (r *renewed) Close() error { return r.inUse.Load().Close() }

// files are those that the SDK has read, with what they held then.
type files map[string][sha256.Size]byte

// filesOf are the files of a configuration that was loaded, as they are now.
func filesOf(cfg aws.Config, env secret.Environment) files {
	paths := append(sharedFiles(env), env.Get("AWS_CA_BUNDLE"))
	for _, source := range cfg.ConfigSources {
		if p, ok := source.(config.SharedConfig); ok {
			paths = append(paths, p.CustomCABundle)
		}
	}
	out := files{}
	for _, path := range paths {
		if path != "" {
			out[path] = digestOf(path)
		}
	}
	return out
}

// digestOf is that of a file's content; of one that cannot be read, of the reason.
func digestOf(path string) [sha256.Size]byte {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		text = fmt.Append(nil, "cannot be read: ", err)
	}
	return sha256.Sum256(text)
}

func (f files) areAsBefore() bool {
	for path, before := range f {
		if digestOf(path) != before {
			return false
		}
	}
	return true
}

// String lists the paths.
func (f files) String() string { return strings.Join(slices.Sorted(maps.Keys(f)), ", ") }
