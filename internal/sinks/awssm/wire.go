package awssm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/transport"
)

const (
	// maxConnections bounds the connections of one sink to a host.
	maxConnections = 32
	// metadataPatience is how long an instance's metadata service, which is next door
	// if it is there at all, may take for each step.
	metadataPatience = time.Second
)

// wire sends all that a sink sends: its calls to Secrets Manager, and those that
// fetch credentials (STS, SSO, instance and container metadata). The SDK makes the
// clients of the latter itself while it loads its configuration, with HTTP clients of
// its own, which follow redirects and bound nothing; so wire stands in each operation in
// place of them.
type wire struct{ http, metadata *http.Client }

// newWire sends with the TLS settings that the SDK has found.
func (c *Config) newWire(settings *tls.Config, o sinks.OpenOptions) *wire {
	connections := cmp.Or(o.Connections, 2*maxConnections)
	services := transport.New(transport.Options{
		TLS: settings, Patience: c.Timeout, Connections: max(1, min(connections/2, maxConnections)), // of two hosts: one is STS's
		MayAct: o.MayAct,
	})
	metadata := transport.New(transport.Options{
		Dial: (&net.Dialer{Timeout: metadataPatience}).DialContext, Patience: metadataPatience, Connections: 1,
	})
	return &wire{newClient(services), newClient(metadata)}
}

func newClient(t *transport.Transport) *http.Client {
	return &http.Client{Transport: &transport.Redirects{Next: t, Hint: redirectHint}, Timeout: t.Longest()}
}

func redirectHint(int, *url.URL) string {
	return "AWS sends nobody elsewhere: check endpoint_url, the AWS_* variables and the proxies on the way"
}

// addToStack makes an operation's stack send over w, and outlive what it is answered.
func (w *wire) addToStack(stack *middleware.Stack) error {
	send := func(ctx context.Context, in middleware.DeserializeInput, _ middleware.DeserializeHandler) (
		out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
	) {
		out.RawResponse, metadata, err = smithyhttp.NewClientHandlerWithOptions(w).Handle(ctx, in.Request)
		return out, metadata, err
	}
	return errors.Join(
		stack.Initialize.Add(middleware.InitializeMiddlewareFunc("rotatord", surviveAnswer), middleware.Before),
		stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("rotatord", send), middleware.After),
	)
}

// surviveAnswer makes an error of a panic: the SDK's readers of JSON are not safe from every answer.
func surviveAnswer(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, metadata middleware.Metadata, err error,
) {
	defer func() {
		if recover() != nil {
			err = &smithy.DeserializationError{Err: errors.New("the SDK cannot read it")}
		}
	}()
	return next.HandleInitialize(ctx, in)
}

// Do sends a request and reads its answer whole. The SDK would forget why it could not
// be read, and it closes a request's body while it may still be on its way.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	if err := detachBody(r); err != nil {
		return nil, err
	}
	answer, err := w.clientFor(r).Do(r) //nolint:gosec // the SDK makes the request, for the endpoint that is configured
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, &url.Error{Op: r.Method, URL: r.URL.Scheme + "://" + r.URL.Host + r.URL.EscapedPath(), Err: err}
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, nil
}

func detachBody(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	text, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(text))
	return err
}

// clientFor tells instance metadata by its path, which no other service has.
func (w *wire) clientFor(r *http.Request) *http.Client {
	if strings.HasPrefix(r.URL.Path, "/latest/") {
		return w.metadata
	}
	return w.http
}

// close ends the idle connections.
func (w *wire) close() {
	w.http.CloseIdleConnections()
	w.metadata.CloseIdleConnections()
}
