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

type meaning struct {
	class  fault.Class
	reason fault.Reason
	hint   string
}

const (
	credentialsHint = "give rotatord working AWS credentials: environment, profile, instance role or role_arn"
	tokenHint       = "check that the web identity token is of the provider and the audience that the role's trust policy names"
	clockHint       = "check the secret access key, and set this machine's clock: AWS refuses requests that are five minutes off"
	kmsHint         = "allow kms:GenerateDataKey and kms:Decrypt on the secret's KMS key, and see that the key is enabled"
)

// meanings says what AWS's error codes mean here. The suffix Exception, which
// some of its services leave out, is not part of the key.
var meanings = map[string]meaning{
	"AccessDenied":               {fault.Permanent, fault.Forbidden, ""},
	"UnrecognizedClient":         {fault.Permanent, fault.Unauthorized, credentialsHint},
	"InvalidIdentityToken":       {fault.Permanent, fault.Unauthorized, tokenHint},
	"IDPRejectedClaim":           {fault.Permanent, fault.Unauthorized, tokenHint},
	"IDPCommunicationError":      {fault.Retry, fault.ServerError, "AWS cannot reach the identity provider"},
	"InvalidClientTokenId":       {fault.Permanent, fault.Unauthorized, credentialsHint},
	"MissingAuthenticationToken": {fault.Permanent, fault.Unauthorized, credentialsHint},
	"IncompleteSignature":        {fault.Permanent, fault.Unauthorized, credentialsHint},
	"OptInRequired":              {fault.Permanent, fault.Unauthorized, "enable the region for the account"},
	"ExpiredToken":               {fault.Retry, fault.Unauthorized, "renew the session's credentials; " + credentialsHint},
	"InvalidSignature":           {fault.Permanent, fault.Unauthorized, clockHint},
	"SignatureDoesNotMatch":      {fault.Permanent, fault.Unauthorized, clockHint},
	"RequestExpired":             {fault.Retry, fault.Unauthorized, clockHint},
	"RequestTimeTooSkewed":       {fault.Retry, fault.Unauthorized, clockHint},
	"Throttling":                 {fault.Retry, fault.RateLimited, "rotate less often, or spread schedules with jitter"},
	"RequestThrottled":           {fault.Retry, fault.RateLimited, "rotate less often, or spread schedules with jitter"},
	"TooManyRequests":            {fault.Retry, fault.RateLimited, "rotate less often, or spread schedules with jitter"},
	"RequestLimitExceeded":       {fault.Retry, fault.RateLimited, "rotate less often, or spread schedules with jitter"},
	"LimitExceeded":              {fault.Retry, fault.Full, "an AWS quota is reached: versions of a secret are kept for a day, so rotate less often, or raise the number of secrets"},
	"ResourceNotFound":           {fault.Permanent, fault.NotFound, "create the secret, or set create: true"},
	"ResourceExists":             {fault.Retry, fault.Conflict, "another writer is at this secret"},
	"InvalidParameter":           {fault.Permanent, fault.Invalid, "correct the sink's configuration"},
	"InvalidRequest":             {fault.Permanent, fault.Invalid, "look at the secret's state with: aws secretsmanager describe-secret"},
	"Validation":                 {fault.Permanent, fault.Invalid, "correct the sink's configuration"},
	"ValidationError":            {fault.Permanent, fault.Invalid, "correct the sink's configuration"},
	"MalformedPolicyDocument":    {fault.Permanent, fault.Invalid, "correct the sink's configuration"},
	"PreconditionNotMet":         {fault.Retry, fault.Conflict, ""},
	"DecryptionFailure":          {fault.Permanent, fault.Forbidden, kmsHint},
	"EncryptionFailure":          {fault.Permanent, fault.Forbidden, kmsHint},
	"InternalServiceError":       {fault.Retry, fault.ServerError, ""},
	"InternalFailure":            {fault.Retry, fault.ServerError, ""},
	"InternalServerError":        {fault.Retry, fault.ServerError, ""},
	"ServiceUnavailable":         {fault.Retry, fault.ServerError, ""},
}

// explain is explain for a call of s, whose credentials it keeps out of the error, and whose region it knows.
func (s *sink) explain(ctx context.Context, op, target string, err error) error {
	sinks.Confide(ctx, s.known.Values()...)
	if host := missingHost(err); s.region != "" && strings.Contains(host, "."+s.region+".") {
		return fault.Newf(fault.Retry, fault.Unreachable, op, target, "region %s: no such host %s", s.region, host).
			WithHint("correct region, or AWS_REGION or the profile's where the sink names none; if the region is right, this machine's DNS does not know AWS: " +
				"set HTTPS_PROXY, or endpoint_url to a VPC endpoint")
	}
	return explain(ctx, op, target, err)
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

// explain gives err as a *fault.Error with AWS's own code, message and request
// id. The SDK's error is not kept: it leads to the request, which holds the value.
func explain(ctx context.Context, op, target string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fault.Transport(op, target, ctx.Err())
	}
	if own, ok := errors.AsType[*fault.Error](err); ok { // of the transport, or a role that was refused
		f := *own // all who wait for the same credentials are given it
		f.Op, f.Object = op, target
		return &f
	}
	if about, hint := ofProvider(err); about != "" {
		return fault.Newf(fault.Retry, fault.Unauthorized, op, target, "%s", about).WithHint("%s", hint)
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return refused(op, target, err, api)
	}
	return unanswered(op, target, err)
}

// ofProvider says what failed at a provider of credentials that is not AWS: a program, or an address on
// this machine. What those print may be the credentials: not a word of it is passed on.
func ofProvider(err error) (about, hint string) {
	if p, ok := errors.AsType[*processcreds.ProviderError](err); ok {
		return "the credential_process of the AWS profile failed: " + processTrouble(p),
			"run it by hand, as rotatord's user: what it prints is not shown here"
	}
	if !isAboutCredentials(err) || service(err) != "Secrets Manager" {
		return "", ""
	}
	about = "the address that AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI names gives no credentials: it answers "
	hint = "look at the log of what serves that address: what it says is not shown here"
	var answer interface{ HTTPStatusCode() int }
	var wrong *smithy.DeserializationError
	switch {
	case errors.As(err, &wrong):
		return about + "with something that is not JSON", hint
	case is[smithy.APIError](err) && errors.As(err, &answer):
		return about + strconv.Itoa(answer.HTTPStatusCode()), hint
	}
	return "", ""
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

// isAboutCredentials reports whether a call failed for want of credentials.
func isAboutCredentials(err error) bool {
	text := err.Error()
	return strings.Contains(text, "get identity") || strings.Contains(text, "get credentials")
}

func refused(op, target string, err error, api smithy.APIError) *fault.Error {
	m := meaningOf(err, api)
	hint := m.hint
	switch {
	case isDeleted(api):
		hint, m.reason = restoreHint(target), fault.NotFound
	case m.reason == fault.NotFound && arnPattern.MatchString(target):
		hint = arnHint(target)
	case strings.Contains(api.ErrorMessage(), "RemoveFromVersionId"):
		m, hint = meanings["ResourceExists"], meanings["ResourceExists"].hint
	case m.reason == fault.Forbidden && strings.Contains(api.ErrorMessage(), "KMS"):
		hint = kmsHint
	case m.reason == fault.Forbidden && service(err) == "STS": // it is the login that is refused
		m.reason = fault.Unauthorized
		hint = "let rotatord's credentials call sts:AssumeRole on role_arn, in their policy and in the role's trust policy"
	case m.reason == fault.Forbidden && hint == "":
		hint = permissionHint(op)
	case strings.HasPrefix(api.ErrorMessage(), "Signature expired"), strings.HasPrefix(api.ErrorMessage(), "Signature not yet current"):
		m.class = fault.Retry // the SDK corrects its clock by the answer
	}
	f := fault.Newf(m.class, m.reason, op, target, "%s", said(err, api))
	f.After = retryAfter(err)
	return f.WithHint("%s", hint)
}

// retryAfter is how long the answer asks to be left alone; AWS itself rarely does, a gateway may.
func retryAfter(err error) time.Duration {
	var r *smithyhttp.ResponseError
	if !errors.As(err, &r) || r.Response == nil {
		return 0
	}
	d, _ := fault.RetryAfter(r.Response.Header.Get("Retry-After"), time.Now())
	return max(0, d)
}

func meaningOf(err error, api smithy.APIError) meaning {
	for _, code := range []string{api.ErrorCode(), strings.TrimSuffix(api.ErrorCode(), "Exception")} {
		if m, ok := meanings[code]; ok {
			return m
		}
	}
	switch status := statusOf(err); {
	case status == 429:
		return meanings["Throttling"]
	case status == 401 || status == 403:
		return meanings["AccessDenied"]
	case status >= 400 && status < 500:
		return meanings["InvalidRequest"]
	}
	return meanings["InternalServiceError"]
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

func said(err error, api smithy.APIError) string {
	text := fmt.Sprintf("%s: %s", api.ErrorCode(), quoted.ReplaceAllString(api.ErrorMessage(), "Value "+secret.Redacted+"$1"))
	if s := service(err); s != "Secrets Manager" && s != "" {
		text = s + " " + text
	}
	var r interface{ ServiceRequestID() string }
	if errors.As(err, &r) && r.ServiceRequestID() != "" {
		text += " (request id " + r.ServiceRequestID() + ")"
	}
	return text
}

// service names the innermost AWS service that was called: STS, when it was the
// role that could not be assumed.
func service(err error) string {
	name := ""
	for op := (*smithy.OperationError)(nil); errors.As(err, &op); err = op.Err {
		name = op.ServiceID
	}
	return name
}

// unanswered is for calls that never reached AWS or got no sense out of it.
func unanswered(op, target string, err error) *fault.Error {
	var u *url.Error
	var wrong *smithy.DeserializationError
	text := err.Error()
	switch {
	case errors.As(err, &u):
		address, _, _ := strings.Cut(u.URL, "?")
		return fault.Transport(op, target, fmt.Errorf("%s %s: %w", u.Op, address, u.Err)).
			WithHint("check the network, DNS and endpoint_url")
	case errors.As(err, &wrong):
		return fault.Newf(fault.Retry, fault.BadAnswer, op, target, "the answer could not be read (HTTP status %d)", statusOf(err)).
			WithHint("check that endpoint_url is Secrets Manager")
	case errors.Is(err, context.DeadlineExceeded): // not the caller's: explain has ruled that out
		return fault.Newf(fault.Retry, fault.Timeout, op, target, "%s", text).
			WithHint("check the network, and whoever gives the credentials: STS, the instance or the container")
	case isAboutCredentials(err):
		return fault.Newf(fault.Retry, fault.Unauthorized, op, target, "%s", text).WithHint(credentialsHint)
	case strings.Contains(text, "Missing Region"):
		return fault.Newf(fault.Permanent, fault.Invalid, op, target, "%s", text).WithHint("set region")
	}
	return fault.Transport(op, target, err).WithHint("check the network and endpoint_url")
}

func permissionHint(op string) string {
	const write = "secretsmanager:PutSecretValue, CreateSecret, TagResource, DescribeSecret and UpdateSecretVersionStage"
	actions := map[string]string{
		"probe": "secretsmanager:DescribeSecret and GetSecretValue",
		"read":  "secretsmanager:GetSecretValue",
		"write": write, opTry: write,
	}
	return "allow " + actions[op] + " on the secret"
}

// arnHint is for an ARN under which AWS finds nothing.
func arnHint(target string) string {
	if !arnEnd.MatchString(target) {
		return "create the secret, or give its name in place of its ARN and set create: true"
	}
	return "create the secret; AWS takes an ARN that ends in a hyphen and six characters for a complete one: " +
		"if they belong to the secret's name, give the name in place of the ARN"
}

func restoreHint(target string) string {
	return "restore it: aws secretsmanager restore-secret --secret-id " + target
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// isDeleted tells a secret that is marked for deletion; AWS has no code for it.
func isDeleted(err error) bool {
	var e *types.InvalidRequestException
	return errors.As(err, &e) &&
		(strings.Contains(e.ErrorMessage(), "marked for deletion") || strings.Contains(e.ErrorMessage(), "scheduled for deletion"))
}
