package awssm

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"

	"github.com/rotatord/rotatord/internal/fault"
)

const (
	credentialsHint = "give rotatord working AWS credentials: environment, profile, instance role or role_arn"
	tokenHint       = "check that the web identity token is of the provider and the audience " +
		"that the role's trust policy names"
	clockHint = "check the secret access key, and set this machine's clock: " +
		"AWS refuses requests that are five minutes off"
	restoreHint = "restore it: aws secretsmanager restore-secret --secret-id {target}"
	kmsHint     = "allow kms:GenerateDataKey and kms:Decrypt on the secret's KMS key, and see that the key is enabled"
)

// answer is what one of AWS's services refuses a call with.
type answer struct {
	code       string // without the suffix Exception, which some services leave out
	message    string
	service    string // the innermost that was called: STS where the role could not be assumed
	op, target string // as errors say them
	deleted    bool   // the secret is marked for deletion
}

// answers says what AWS's answers mean here.
var answers = fault.Table[answer]{
	fault.When(answer.isDeleted, fault.Permanent, fault.NotFound, restoreHint),
	fault.When(fault.All(byCode("ResourceNotFound"), answer.isOfCompleteARN), fault.Permanent, fault.NotFound,
		"create the secret; AWS takes an ARN that ends in a hyphen and six characters for a complete one: "+
			"if they belong to the secret's name, give the name in place of the ARN"),
	fault.When(fault.All(byCode("ResourceNotFound"), answer.isOfARN), fault.Permanent, fault.NotFound,
		"create the secret, or give its name in place of its ARN and set create: true"),
	fault.When(bySaying("RemoveFromVersionId"), fault.Retry, fault.Conflict, "another writer is at this secret"),

	fault.When(fault.All(answer.isDenied, bySaying("KMS")), fault.Permanent, fault.Forbidden, kmsHint),
	// It is the login that is refused.
	fault.When(fault.All(answer.isDenied, answer.isOfSTS), fault.Permanent, fault.Unauthorized,
		"let rotatord's credentials call sts:AssumeRole on role_arn, in their policy and in the role's trust policy"),
	fault.When(byCode("DecryptionFailure", "EncryptionFailure"), fault.Permanent, fault.Forbidden, kmsHint),
	fault.When(fault.All(answer.isDenied, byOp("probe")), fault.Permanent, fault.Forbidden,
		"allow secretsmanager:DescribeSecret and GetSecretValue on the secret"),
	fault.When(fault.All(answer.isDenied, byOp("read")), fault.Permanent, fault.Forbidden,
		"allow secretsmanager:GetSecretValue on the secret"),
	fault.When(answer.isDenied, fault.Permanent, fault.Forbidden,
		"allow secretsmanager:PutSecretValue, CreateSecret, TagResource, DescribeSecret and UpdateSecretVersionStage "+
			"on the secret"),

	// The SDK corrects its clock by such an answer.
	fault.When(byBeginning("Signature expired", "Signature not yet current"), fault.Retry, fault.Unauthorized, clockHint),
	fault.When(byCode("UnrecognizedClient", "InvalidClientTokenId", "MissingAuthenticationToken", "IncompleteSignature"),
		fault.Permanent, fault.Unauthorized, credentialsHint),
	fault.When(byCode("InvalidIdentityToken", "IDPRejectedClaim"), fault.Permanent, fault.Unauthorized, tokenHint),
	fault.When(byCode("IDPCommunicationError"), fault.Retry, fault.ServerError,
		"AWS cannot reach the identity provider"),
	fault.When(byCode("OptInRequired"), fault.Permanent, fault.Unauthorized, "enable the region for the account"),
	fault.When(byCode("ExpiredToken"), fault.Retry, fault.Unauthorized,
		"renew the session's credentials; "+credentialsHint),
	fault.When(byCode("InvalidSignature", "SignatureDoesNotMatch"), fault.Permanent, fault.Unauthorized, clockHint),
	fault.When(byCode("RequestExpired", "RequestTimeTooSkewed"), fault.Retry, fault.Unauthorized, clockHint),
	fault.When(byCode("Throttling", "RequestThrottled", "TooManyRequests", "RequestLimitExceeded"),
		fault.Retry, fault.RateLimited, "rotate less often, or spread schedules with jitter"),
	fault.When(byCode("LimitExceeded"), fault.Retry, fault.Full,
		"an AWS quota is reached: versions of a secret are kept for a day, so rotate less often, "+
			"or raise the number of secrets"),
	fault.When(byCode("ResourceNotFound"),
		fault.Permanent, fault.NotFound, "create the secret, or set create: true"),
	fault.When(byCode("ResourceExists"), fault.Retry, fault.Conflict, "another writer is at this secret"),
	fault.When(byCode("InvalidParameter", "Validation", "ValidationError", "MalformedPolicyDocument"),
		fault.Permanent, fault.Invalid, "correct the sink's configuration"),
	fault.When(byCode("InvalidRequest"), fault.Permanent, fault.Invalid,
		"look at the secret's state with: aws secretsmanager describe-secret"),
	fault.When(byCode("PreconditionNotMet"), fault.Retry, fault.Conflict, ""),
	fault.When(byCode("InternalServiceError", "InternalFailure", "InternalServerError", "ServiceUnavailable"),
		fault.Retry, fault.ServerError, ""),
}

// providers says what it means that a provider of credentials which is not AWS gives none.
var providers = fault.Table[error]{
	fault.When(fault.As[*processcreds.ProviderError](), fault.Retry, fault.Unauthorized,
		"run it by hand, as rotatord's user: what it prints is not shown here"),
	fault.When(isOfAddress, fault.Retry, fault.Unauthorized,
		"look at the log of what serves that address: what it says is not shown here"),
}

// silences says what it means that a call got no answer, or none that could be understood.
var silences = fault.Table[error]{
	fault.When(fault.As[*url.Error](), fault.Retry, "", "check the network, DNS and endpoint_url"),
	fault.When(fault.As[*smithy.DeserializationError](), fault.Retry, fault.BadAnswer,
		"check that endpoint_url is Secrets Manager"),
	// Not the caller's deadline: toFault has ruled that out.
	fault.When(fault.Is(context.DeadlineExceeded), fault.Retry, fault.Timeout,
		"check the network, and whoever gives the credentials: STS, the instance or the container"),
	fault.When(isAboutCredentials, fault.Retry, fault.Unauthorized, credentialsHint),
	fault.When(isAboutRegion, fault.Permanent, fault.Invalid, "set region"),
	fault.When(fault.Any[error], fault.Retry, "", "check the network and endpoint_url"),
}

func byCode(codes ...string) func(answer) bool {
	return func(a answer) bool { return slices.Contains(codes, a.code) }
}

func bySaying(words string) func(answer) bool {
	return func(a answer) bool { return strings.Contains(a.message, words) }
}

func byBeginning(words ...string) func(answer) bool {
	return func(a answer) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(a.message, w) })
	}
}

func byOp(op string) func(answer) bool {
	return func(a answer) bool { return a.op == op }
}

func (a answer) isDeleted() bool       { return a.deleted }
func (a answer) isOfARN() bool         { return arnPattern.MatchString(a.target) }
func (a answer) isOfCompleteARN() bool { return a.isOfARN() && arnEnd.MatchString(a.target) }
func (a answer) isOfSTS() bool         { return a.service == "STS" }

func (a answer) isDenied() bool {
	return byCode("AccessDenied", "DecryptionFailure", "EncryptionFailure")(a)
}

// isAboutCredentials reports whether a call failed for want of credentials.
func isAboutCredentials(err error) bool {
	text := err.Error()
	return strings.Contains(text, "get identity") || strings.Contains(text, "get credentials")
}

func isAboutRegion(err error) bool { return strings.Contains(err.Error(), "Missing Region") }

// isOfAddress reports whether it is an address on this machine that answers with no credentials.
func isOfAddress(err error) bool {
	_, answers := addressStatus(err)
	return isAboutCredentials(err) && serviceOf(err) == "Secrets Manager" &&
		(answers || hasError[*smithy.DeserializationError](err))
}
