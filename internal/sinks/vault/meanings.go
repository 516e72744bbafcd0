package vault

import (
	"context"
	"crypto/x509"
	"net/url"
	"slices"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
)

// answers says what each status of Vault's means here.
var answers = fault.Table[*api.ResponseError]{
	fault.When(fault.All(isNotVaults, byStatus(400, 403, 404, 405, 413)), fault.Retry, fault.BadAnswer, ""),
	fault.When(fault.All(isNotVaults, byStatus(429)), fault.Retry, fault.RateLimited, ""),
	fault.When(byStatus(400), fault.Permanent, fault.Invalid, "correct the sink's configuration"),
	fault.When(byStatus(403), fault.Permanent, fault.Forbidden, "the token lacks a permission"), // addAdvice names the policy
	fault.When(byStatus(404), fault.Permanent, fault.NotFound, "correct mount and namespace"),
	fault.When(byStatus(405), fault.Permanent, fault.Invalid, "correct mount, path and kv_version"),
	fault.When(byStatus(412), fault.Retry, fault.ServerError, "this Vault node lags behind its cluster"),
	fault.When(byStatus(413), fault.Permanent, fault.Invalid, "the secret is too large for this Vault"),
	fault.When(byStatus(429), fault.Retry, fault.RateLimited,
		"a rate limit quota of Vault is used up: raise it, or probe less often"),
	fault.When(byStatus(472), fault.Retry, fault.ServerError,
		"this Vault is a disaster recovery secondary: use the primary's address"),
	fault.When(byStatus(473), fault.Retry, fault.ServerError,
		"this Vault node is a standby: use the active node's address"),
	fault.When(byStatus(503), fault.Retry, fault.ServerError, "unseal it, or wait for its active node"),
	fault.When(isServersFault, fault.Retry, fault.ServerError, "look at Vault's log"),
	fault.When(fault.Any[*api.ResponseError], fault.Permanent, fault.BadAnswer, ""),
}

// loginAnswers says what answers to a login mean where that is something else than in answers.
var loginAnswers = fault.Table[*api.ResponseError]{
	fault.When(turnsDown, fault.Permanent, fault.Unauthorized,
		"check the sink's auth, its mount and its role in Vault"),
	fault.When(byStatus(400, 403), fault.Retry, fault.BadAnswer, "the credential was not looked at"),
	fault.When(fault.All(isNotVaults, byStatus(404)), fault.Retry, fault.BadAnswer, "the credential was not looked at"),
	fault.When(byStatus(404), fault.Permanent, fault.NotFound,
		"check that the auth method is enabled at the sink's auth mount"),
}

// silences says what it means that a call got no answer, or none that could be understood.
var silences = fault.Table[error]{
	fault.When(fault.As[x509.UnknownAuthorityError](), fault.Retry, "",
		"set ca_file to the authority that signed Vault's certificate"),
	fault.When(fault.Is(context.Canceled, context.DeadlineExceeded), fault.Retry, "", ""),
	fault.When(fault.As[*url.Error](), fault.Retry, "", ""),
	fault.When(fault.Any[error], fault.Retry, fault.BadAnswer, ""),
}

func byStatus(statuses ...int) func(*api.ResponseError) bool {
	return func(r *api.ResponseError) bool { return slices.Contains(statuses, r.StatusCode) }
}

// isNotVaults reports whether somebody else answers, or not in Vault's form: a proxy refuses with a page what Vault
// was never asked.
func isNotVaults(r *api.ResponseError) bool { return r.RawError }

func isServersFault(r *api.ResponseError) bool { return r.StatusCode >= 500 }

// turnsDown reports whether Vault itself refuses a login. A proxy's page does not: the credential was
// not looked at.
func turnsDown(r *api.ResponseError) bool {
	return byStatus(400, 403)(r) && !isNotVaults(r) && len(r.Errors) > 0
}
