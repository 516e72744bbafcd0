package awssm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// explainCall is toFault for a call of s, whose credentials it keeps out of the error, and whose region it knows.
func (s *sink) explainCall(ctx context.Context, op, target string, err error) error {
	sinks.Confide(ctx, s.known.Values()...)
	if host := missingHost(err); s.region != "" && strings.Contains(host, "."+s.region+".") {
		return fault.Newf(fault.Retry, fault.Unreachable, op, target, "region %s: no such host %s", s.region, host).
			WithHint("correct region, or AWS_REGION or the profile's where the sink names none; if the region is right, this machine's DNS does not know AWS: " +
				"set HTTPS_PROXY, or endpoint_url to a VPC endpoint")
	}
	return toFault(ctx, op, target, err)
}

// missingHost is the host of a call that DNS does not know; "" where it was something else: a proxy has a name, too.
func missingHost(err error) string {
	u, called := errors.AsType[*url.Error](err)
	dns, asked := errors.AsType[*net.DNSError](err)
	if !called || !asked || !dns.IsNotFound {
		return ""
	}
	if at, err := url.Parse(u.URL); err != nil || at.Hostname() != dns.Name {
		return ""
	}
	return dns.Name
}

// toFault returns err as a *fault.Error with AWS's own code, message and request
// id. The SDK's error is not kept: it leads to the request, which holds the value.
func toFault(ctx context.Context, op, target string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fault.NoAnswer(op, target, ctx.Err())
	}
	if own, ok := errors.AsType[*fault.Error](err); ok { // of the transport, or a role that was refused
		f := *own // all who wait for the same credentials are given it
		f.Op, f.Object = op, target
		return &f
	}
	if m, ok := providers.Find(err); ok {
		return m.Error(op, target, providerFailed(err))
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return refusedError(op, target, err, api)
	}
	return unansweredError(op, target, err)
}

// providerFailed says what failed at a provider of credentials that is not AWS: a program, or an address on
// this machine. What those print may be the credentials: not a word of it is passed on.
func providerFailed(err error) error {
	if p, ok := errors.AsType[*processcreds.ProviderError](err); ok {
		return errors.New("the credential_process of the AWS profile failed: " + processTrouble(p))
	}
	answers := "with something that is not JSON"
	if !hasError[*smithy.DeserializationError](err) {
		status, _ := addressStatus(err)
		answers = strconv.Itoa(status)
	}
	return errors.New("the address that AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI names gives no credentials: " +
		"it answers " + answers)
}

// addressStatus returns the status of an answer that is an error.
func addressStatus(err error) (status int, ok bool) {
	var answer interface{ HTTPStatusCode() int }
	if !hasError[smithy.APIError](err) || !errors.As(err, &answer) {
		return 0, false
	}
	return answer.HTTPStatusCode(), true
}

func processTrouble(p *processcreds.ProviderError) string {
	exit, exited := errors.AsType[*exec.ExitError](p)
	switch {
	case strings.Contains(p.Error(), "timed out"):
		return "it did not end in time"
	case exited:
		return exit.ProcessState.String()
	case strings.Contains(p.Error(), "in process output"):
		return "its output lacks Version 1, AccessKeyId or SecretAccessKey"
	case strings.Contains(p.Error(), "parse failed"):
		return "its output is not the JSON that AWS describes"
	}
	return "it could not be run"
}

func refusedError(op, target string, err error, api smithy.APIError) *fault.Error {
	a := newAnswer(op, target, err, api)
	m, known := answers.Find(a)
	if !known {
		a.code = codeFor(statusOf(err))
		m, _ = answers.Find(a)
	}
	f := m.Error(op, target, errors.New(answerText(err, api)), "{target}", target)
	f.After = retryAfter(err)
	return f
}

func newAnswer(op, target string, err error, api smithy.APIError) answer {
	return answer{
		code: strings.TrimSuffix(api.ErrorCode(), "Exception"), message: api.ErrorMessage(), service: serviceOf(err),
		op: op, target: target, deleted: saysDeleted(api),
	}
}

// codeFor returns the code that AWS would have given with a status, where there is none that is known.
func codeFor(status int) string {
	switch {
	case status == 429:
		return "Throttling"
	case status == 401 || status == 403:
		return "AccessDenied"
	case status >= 400 && status < 500:
		return "InvalidRequest"
	}
	return "InternalServiceError"
}

// retryAfter is how long the answer asks to be left alone; AWS itself rarely does, a gateway may.
func retryAfter(err error) time.Duration {
	var r *smithyhttp.ResponseError
	if !errors.As(err, &r) || r.Response == nil {
		return 0
	}
	d, _ := fault.RetryAfter(r.Response.Header, time.Now())
	return max(0, d)
}

func statusOf(err error) int {
	var r *smithyhttp.ResponseError
	if errors.As(err, &r) {
		return r.HTTPStatusCode()
	}
	return 0
}

// quoted is what a message of a failed validation repeats of the request.
var quoted = regexp.MustCompile(`(?s)Value '.*'( at '[^']*' failed)`)

func answerText(err error, api smithy.APIError) string {
	text := fmt.Sprintf("%s: %s", api.ErrorCode(), quoted.ReplaceAllString(api.ErrorMessage(), "Value "+secret.Redacted+"$1"))
	if s := serviceOf(err); s != "Secrets Manager" && s != "" {
		text = s + " " + text
	}
	var r interface{ ServiceRequestID() string }
	if errors.As(err, &r) && r.ServiceRequestID() != "" {
		text += " (request id " + r.ServiceRequestID() + ")"
	}
	return text
}

// serviceOf names the innermost AWS service that was called: STS, when it was the
// role that could not be assumed.
func serviceOf(err error) string {
	name := ""
	for op := (*smithy.OperationError)(nil); errors.As(err, &op); err = op.Err {
		name = op.ServiceID
	}
	return name
}

// unansweredError is for calls that never reached AWS or got no sense out of it. Of the SDK's own errors the
// words are kept alone.
func unansweredError(op, target string, err error) *fault.Error {
	m, _ := silences.Find(err)
	f := m.Error(op, target, err)
	var u *url.Error
	switch {
	case errors.As(err, &u):
		address, _, _ := strings.Cut(u.URL, "?")
		f.Err = fmt.Errorf("%s %s: %w", u.Op, address, u.Err)
	case hasError[*smithy.DeserializationError](err):
		f.Err = errors.New("the answer could not be read")
		if status := statusOf(err); status > 0 {
			f.Err = fmt.Errorf("%w (HTTP status %d)", f.Err, status)
		}
	case m.Reason != "":
		f.Err = errors.New(err.Error())
	}
	return f
}

func hasError[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// saysDeleted reports whether an error is of a secret that is marked for deletion; AWS has no code for it.
func saysDeleted(err error) bool {
	var e *types.InvalidRequestException
	return errors.As(err, &e) &&
		(strings.Contains(e.ErrorMessage(), "marked for deletion") || strings.Contains(e.ErrorMessage(), "scheduled for deletion"))
}
