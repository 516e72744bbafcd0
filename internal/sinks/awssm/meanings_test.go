package awssm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

// happening is something that a call to AWS may come to.
type happening struct {
	name string
	op   string // "write" if empty
	at   string // "moq/a" if empty
	err  error
}

func responded(status int, err error) error {
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err}
}

func called(service string, status int, err error) error {
	return &smithy.OperationError{ServiceID: service, OperationName: "Call", Err: responded(status, err)}
}

func answeredBy(service string, status int, code, message string) error {
	return called(service, status, &smithy.GenericAPIError{Code: code, Message: message})
}

func codes() []string {
	return []string{
		"AccessDenied", "UnrecognizedClient", "InvalidIdentityToken", "IDPRejectedClaim", "IDPCommunicationError", "InvalidClientTokenId",
		"MissingAuthenticationToken", "IncompleteSignature", "OptInRequired", "ExpiredToken", "InvalidSignature", "SignatureDoesNotMatch",
		"RequestExpired", "RequestTimeTooSkewed", "Throttling", "RequestThrottled", "TooManyRequests", "RequestLimitExceeded", "LimitExceeded",
		"ResourceNotFound", "ResourceExists", "InvalidParameter", "InvalidRequest", "Validation", "ValidationError", "MalformedPolicyDocument",
		"PreconditionNotMet", "DecryptionFailure", "EncryptionFailure", "InternalServiceError", "InternalFailure", "InternalServerError",
		"ServiceUnavailable",
	}
}

func refusedCalls() (all []happening) {
	const sm = "Secrets Manager"
	for _, code := range codes() {
		all = append(all, happening{name: code, err: answeredBy(sm, 400, code, "said so")})
	}
	for _, status := range []int{302, 400, 401, 403, 404, 418, 429, 500, 503} {
		all = append(all, happening{name: fmt.Sprintf("%d and a code of no meaning", status), err: answeredBy(sm, status, "Surprise", "said so")})
	}
	for _, op := range []string{"probe", "read", "write", opTry} {
		all = append(all, happening{name: "AccessDenied to " + op, op: op, err: answeredBy(sm, 400, "AccessDeniedException", "said so")})
	}
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:moq"
	return append(all,
		happening{name: "AccessDenied about the key", err: answeredBy(sm, 400, "AccessDeniedException", "Access to KMS is not allowed")},
		happening{name: "AccessDenied of STS", err: answeredBy("STS", 403, "AccessDenied", "said so")},
		happening{name: "a key that STS may not use", err: answeredBy("STS", 400, "DecryptionFailureException", "said so")},
		happening{name: "throttling by STS", err: answeredBy("STS", 400, "ThrottlingException", "said so")},
		happening{name: "AccessDenied to an unknown code, of STS", err: answeredBy("STS", 403, "Surprise", "said so")},
		happening{name: "AccessDenied about the key, by an unknown code", err: answeredBy(sm, 403, "Surprise", "no KMS")},
		happening{name: "a signature that has expired", err: answeredBy(sm, 403, "InvalidSignatureException", "Signature expired: it is late")},
		happening{name: "a signature of the future", err: answeredBy("STS", 403, "SignatureDoesNotMatch", "Signature not yet current: it is early")},
		happening{name: "no secret of a name", err: answeredBy(sm, 400, "ResourceNotFoundException", "said so")},
		happening{name: "no secret of a partial ARN", at: arn, err: answeredBy(sm, 400, "ResourceNotFoundException", "said so")},
		happening{name: "no secret of a complete ARN", at: arn + "-AbCdEf", err: answeredBy(sm, 400, "ResourceNotFoundException", "said so")},
		happening{name: "a stage that has moved", err: answeredBy(sm, 400, "InvalidParameterException", "The parameter RemoveFromVersionId is wrong")},
		happening{name: "a deleted secret", err: called(sm, 400, &types.InvalidRequestException{Message: new("it was marked for deletion")})},
		happening{name: "a secret to be deleted", err: called(sm, 400, &types.InvalidRequestException{Message: new("it is scheduled for deletion")})},
		happening{name: "another state of the secret", err: called(sm, 400, &types.InvalidRequestException{Message: new("managed by another")})},
	)
}

func unansweredCalls() []happening {
	const sm = "Secrets Manager"
	call := func(err error) error {
		return &smithy.OperationError{ServiceID: sm, Err: &url.Error{Op: "Post", URL: "https://aws.example/?secret", Err: err}}
	}
	credentials := func(err error) error {
		return &smithy.OperationError{ServiceID: sm, OperationName: "Call", Err: fmt.Errorf("get identity: get credentials: %w", err)}
	}
	return []happening{
		{name: "no connection", err: call(errors.New("connection refused"))},
		{name: "no such host", err: call(&net.DNSError{Err: "no such host", Name: "aws.example", IsNotFound: true})},
		{name: "a call that took too long", err: call(context.DeadlineExceeded)},
		{name: "an answer that is no JSON", err: called(sm, 200, &smithy.DeserializationError{Err: errors.New("invalid character")})},
		{name: "no credentials in time", err: fmt.Errorf("get identity: %w", context.DeadlineExceeded)},
		{name: "no credentials", err: errors.New("get identity: get credentials: failed to refresh cached credentials")},
		{name: "no region", err: errors.New("Missing Region")},
		{name: "anything else", err: errors.New("surprise")},
		{name: "a program that gives no credentials", err: &processcreds.ProviderError{Err: errors.New("surprise")}},
		{name: "a program that takes too long", err: &processcreds.ProviderError{Err: errors.New("credential process timed out")}},
		{name: "a program that fails", err: &processcreds.ProviderError{Err: exec.Command("false").Run()}},
		{name: "a program that prints half", err: &processcreds.ProviderError{Err: errors.New("missing AccessKeyId in process output")}},
		{name: "a program that prints no JSON", err: &processcreds.ProviderError{Err: errors.New("parse failed of process output")}},
		{name: "an address that gives no credentials", err: credentials(responded(500, &smithy.GenericAPIError{Code: "x"}))},
		{name: "an address that gives no JSON", err: credentials(&smithy.DeserializationError{Err: errors.New("x")})},
		{name: "an address that does not answer", err: credentials(errors.New("connection refused"))},
		{name: "an error of our own", err: fmt.Errorf("wrapped: %w", fault.Newf(fault.Permanent, fault.Foreign, "", "", "ours").WithHint("do this"))},
	}
}

func TestNoRowIsHiddenByAnother(t *testing.T) {
	var said []answer
	var silent []error
	for _, h := range append(refusedCalls(), unansweredCalls()...) {
		if api, ok := errors.AsType[smithy.APIError](h.err); ok {
			said = append(said, newAnswer(cmp.Or(h.op, "write"), cmp.Or(h.at, "moq/a"), h.err, api))
			continue
		}
		silent = append(silent, h.err)
	}
	faulttest.EveryRow(t, answers, said...)
	faulttest.EveryRow(t, silences, silent...)
	faulttest.EveryRow(t, providers, silent...)
}

func TestWhatAWSsErrorsMean(t *testing.T) {
	var page faulttest.Page
	for _, h := range append(refusedCalls(), unansweredCalls()...) {
		page.Add(h.name, toFault(t.Context(), cmp.Or(h.op, "write"), cmp.Or(h.at, "moq/a"), h.err))
	}
	page.Compare(t, "testdata/errors.txt")
}
