package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// MaxAnswer is the size, in bytes and after decompression, of the largest answer that
// is read. What rotatord asks for takes some thousand.
const MaxAnswer = 1 << 20

// Bound returns a RoundTripper that sends over next and whose answers are bounded: reading
// one fails, with a *fault.Error, when it is larger than MaxAnswer or has not ended within
// patience of its beginning.
func Bound(next http.RoundTripper, patience time.Duration) http.RoundTripper {
	return bounds{next, patience}
}

type bounds struct {
	next     http.RoundTripper
	patience time.Duration
}

func (b bounds) CloseIdleConnections() { CloseIdle(b.next) }

func (b bounds) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	answer, err := b.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	slow := time.AfterFunc(b.patience, func() { cancel(errSlow) })
	answer.Body = &body{
		ReadCloser: answer.Body, ctx: ctx, patience: b.patience,
		end:  func() { slow.Stop(); cancel(nil) },
		left: MaxAnswer, large: answer.ContentLength > MaxAnswer,
	}
	return answer, nil
}

// body is an answer's body that ends in time and within MaxAnswer.
type body struct {
	io.ReadCloser
	ctx      context.Context
	patience time.Duration
	end      func()
	left     int // bytes that may still come
	large    bool
}

var errSlow = errors.New("the answer takes too long")

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.large {
		return 0, tooLarge()
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if n > b.left {
		b.large = true
		return b.left, tooLarge()
	}
	b.left -= n
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(b.ctx), errSlow) {
		err = tooSlow(b.patience)
	}
	return n, err
}

// Close implements io.Closer. It ends the request.
func (b *body) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

func tooLarge() error {
	return fault.Newf(fault.Retry, fault.BadAnswer, "", "", "the answer is larger than 1 MiB, and was not read to its end").
		WithHint("no answer of this service is as large: check the address, and the proxies on the way")
}

func tooSlow(patience time.Duration) error {
	return fault.Newf(fault.Retry, fault.Timeout, "", "", "the answer began, and had not ended %s later", patience).
		WithHint("check the network, and the proxies on the way")
}
