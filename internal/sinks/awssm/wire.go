package awssm

import (
	"context"
	"net/http"
	"net/url"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rotatord/rotatord/internal/transport"
)

// wire sends all that a sink sends: its calls to Secrets Manager, and those that
// fetch credentials (STS, SSO, instance and container metadata). The SDK makes the
// clients of the latter itself while it loads its configuration, with HTTP clients of
// its own, which follow redirects; so wire stands in each operation in place of them.
type wire struct{ http *http.Client }

// over makes everything go over t from now on.
func (w *wire) over(t http.RoundTripper) {
	w.http = &http.Client{Transport: &transport.Redirects{Next: t, Hint: redirectHint}}
}

func redirectHint(*url.URL) string {
	return "AWS sends nobody elsewhere: check endpoint_url, the AWS_* variables and the proxies on the way"
}

// install makes an operation's stack send over w.
func (w *wire) install(stack *middleware.Stack) error {
	send := func(ctx context.Context, in middleware.DeserializeInput, _ middleware.DeserializeHandler) (
		out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
	) {
		out.RawResponse, metadata, err = smithyhttp.NewClientHandlerWithOptions(w.http).Handle(ctx, in.Request)
		return out, metadata, err
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("rotatord", send), middleware.After)
}

// close ends the idle connections.
func (w *wire) close() { w.http.CloseIdleConnections() }
