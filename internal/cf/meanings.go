package cf

import (
	"net/http"
	"slices"

	"github.com/rotatord/rotatord/internal/fault"
)

// Cloudflare's codes that say more than the HTTP status does.
const (
	codeNoRelay = "21007"
	codeFull    = "21009"

	codeNoPermission = "10000" // sent with status 403, by way of "Authentication error"
	codeBadExpiry    = "21012" // by Cloudflare's clock past, or more than a year away

	codeBadHeaders       = "6003" // sent with status 400
	codeBadAuthorization = "6111"
)

const (
	networkHint = "check the network, DNS, proxy and certificates on the way to api_url"
	// permissionHint names the permission groups by their ids: the dashboard does not always list them.
	permissionHint = `give the account's API token the permission "MoQ: Edit" on this account, and check account_id; ` +
		`where the dashboard does not list MoQ, make the API token through the API, which takes the permission group by its id: ` +
		`MoQ Write (2f912625599b434a8df3e4e02d64c7b4), of account scope; MoQ Read (42fae5a23ce84d7a896ac12ef509dafa) can only list`
)

// failedCall is a request that did not succeed, with what came of it. An answer that claims success is among
// them where it lacks what it has to tell.
type failedCall struct {
	op operation
	x  *exchange
}

// meanings says what each failed call means here. Nothing was done where Cloudflare itself says so; what stands
// in between may say anything after a call that was carried out. What is Ambiguous here is so of a mint alone:
// classify makes it Retry of what may be repeated, which is to list, to revoke, and to ask for a relay or the API token.
var meanings = fault.Table[failedCall]{
	fault.When(failedCall.isUnbuilt, fault.Permanent, fault.Internal, ""),

	// No answer came.
	fault.When(fault.All(failedCall.neverLeft, failedCall.isUnreachable), fault.Retry, fault.Unreachable, networkHint),
	fault.When(failedCall.neverLeft, fault.Retry, "", ""),
	fault.When(fault.All(failedCall.hasNoAnswer, failedCall.isUnreachable), fault.Ambiguous, fault.Unreachable, networkHint),
	fault.When(failedCall.hasNoAnswer, fault.Ambiguous, "", ""),

	// The beginning of one came: what it would have said is not known. Broken off or too large, it is a bad answer; else
	// the time was up, or the call cancelled.
	fault.When(fault.All(failedCall.brokeOff, failedCall.isUnreachable), fault.Ambiguous, fault.BadAnswer, ""),
	fault.When(failedCall.brokeOff, fault.Ambiguous, "", ""),

	// An answer came that is no refusal, or not of Cloudflare; but for its 429.
	fault.When(failedCall.claimsSuccess, fault.Ambiguous, fault.BadAnswer, ""),
	fault.When(failedCall.isServerError, fault.Ambiguous, fault.ServerError, ""),
	fault.When(failedCall.isRateLimited, fault.Retry, fault.RateLimited,
		"Cloudflare refuses every call of this API token, and asks for a wait of {after}"),
	fault.When(failedCall.isRedirect, fault.Ambiguous, fault.BadAnswer,
		"no redirect is followed with the API token; check api_url, and the proxies on the way"),
	fault.When(failedCall.isNotCloudflares, fault.Ambiguous, fault.BadAnswer,
		"the answer is not what the Cloudflare API sends: is a proxy in between? check api_url"),
	fault.When(failedCall.isContradictory, fault.Ambiguous, fault.BadAnswer, ""),

	// Cloudflare refuses, with a 4xx.
	fault.When(byCode(codeNoRelay), fault.Permanent, fault.NotFound,
		"check the relay's id; it may have been deleted, or belong to another account"),
	fault.When(byCode(codeFull), fault.Permanent, fault.Full,
		"a relay holds 10 tokens at most, expired ones included; revoke one that nobody needs"),
	fault.When(failedCall.isUnauthorized, fault.Permanent, fault.Unauthorized,
		`check the account's API token; it needs the permission "MoQ: Edit"`),
	fault.When(fault.All(byStatus(403, 404, 405), byOp(verifyAPIToken)), fault.Permanent, fault.NotOffered,
		"all other calls go on; when the API token ends is not known"),
	fault.When(fault.All(byStatus(403), byCode(codeNoPermission)), fault.Permanent, fault.Forbidden, permissionHint),
	fault.When(byStatus(403), fault.Permanent, fault.Forbidden,
		`give the account's API token the permission "MoQ: Edit" on this account, and check account_id`),
	fault.When(fault.All(byStatus(404, 405), byOp(rotateToken)), fault.Permanent, fault.NotOffered,
		"this account does not offer the rotate call; set `strategy: overlap`"),
	fault.When(fault.All(byStatus(404, 405), byOp(getRelay)), fault.Permanent, fault.NotOffered,
		"this account does not offer MoQ relays; check account_id and api_url"),
	fault.When(byStatus(404, 405), fault.Permanent, fault.NotOffered,
		"this account does not offer creating tokens (overlap); set `strategy: in_place`, or, "+
			"if overlap has worked before, check account_id and the API token"),
	fault.When(byStatus(409), fault.Retry, fault.Conflict, ""),
	fault.When(byCode(codeBadExpiry), fault.Permanent, fault.Invalid,
		"set this machine's clock: {clock}"),
	fault.When(fault.Any[failedCall], fault.Permanent, fault.Invalid, ""),
}

func byStatus(statuses ...int) func(failedCall) bool {
	return func(f failedCall) bool { return slices.Contains(statuses, f.x.status) }
}

func byCode(code string) func(failedCall) bool {
	return func(f failedCall) bool { return f.x.hasCode(code) }
}

func byOp(op operation) func(failedCall) bool {
	return func(f failedCall) bool { return f.op == op }
}

func (f failedCall) isUnbuilt() bool     { return !f.x.begun }
func (f failedCall) neverLeft() bool     { return f.hasNoAnswer() && !f.x.trace.mayHaveLeft() }
func (f failedCall) hasNoAnswer() bool   { return f.x.isUnanswered() }
func (f failedCall) brokeOff() bool      { return f.x.isCutShort() }
func (f failedCall) isRateLimited() bool { return f.x.isThrottled() }

// isUnreachable reports whether no time was up, and no call cancelled: there was no connection, it broke, or its answer
// was more than is read.
func (f failedCall) isUnreachable() bool {
	return f.x.err != nil && fault.NoAnswer("", "", f.x.err).Reason == fault.Unreachable
}

// claimsSuccess reports whether the answer calls itself a success; what it has to tell is missing then.
func (f failedCall) claimsSuccess() bool { return f.x.isSuccess() }

func (f failedCall) isServerError() bool {
	return f.x.status == http.StatusRequestTimeout || f.x.status >= 500
}

func (f failedCall) isRedirect() bool { return f.x.status >= 300 && f.x.status < 400 }

// isNotCloudflares reports whether it is not Cloudflare that answers, or not in its own form.
func (f failedCall) isNotCloudflares() bool { return !f.x.isRefusal() }

// isContradictory reports whether a refusal comes with the status of a success.
func (f failedCall) isContradictory() bool { return f.x.status < 300 }

func (f failedCall) isUnauthorized() bool {
	return f.x.status == http.StatusUnauthorized || f.x.hasCode(codeBadHeaders, codeBadAuthorization)
}
