package cf

import (
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// operation is one kind of call.
type operation struct {
	name   string // as metrics count it; "" is not counted
	doing  string // as errors say it
	mints  bool   // when its answer is lost, it may have been carried out and that matters
	absent string // the hint for an account that does not offer it
}

const noOverlap = "this account does not offer creating tokens (overlap); set `strategy: in_place`"

var (
	createToken = operation{name: "create", doing: "create token", mints: true, absent: noOverlap}
	listTokens  = operation{name: "list", doing: "list tokens", absent: noOverlap}
	revokeToken = operation{name: "revoke", doing: "revoke token", absent: noOverlap}
	rotateToken = operation{name: "rotate", doing: "rotate token", mints: true,
		absent: "this account does not offer the rotate call; set `strategy: overlap`"}
	getRelay = operation{doing: "get relay", absent: "this account does not offer MoQ relays; check account_id and api_url"}
)

// unsure is the class of a failure that leaves open whether the call was carried
// out. Listing and revoking again is harmless.
func (o operation) unsure() fault.Class {
	if o.mints {
		return fault.Ambiguous
	}
	return fault.Retry
}

// call is one operation on one relay.
type call struct {
	op      operation
	relayID string
	tokenID string        // of a revocation
	kind    moq.TokenType // of a mint
}

// check refuses unknown types, and ids that could reach another endpoint: they go into the path unescaped.
func (k call) check() error {
	if !moq.IsID(k.relayID) {
		return k.invalid("relay id %q", k.relayID)
	}
	if k.op.name == revokeToken.name && !moq.IsID(k.tokenID) {
		return k.invalid("token id %q", k.tokenID)
	}
	if k.op.mints && !k.kind.Valid() {
		return k.invalidType()
	}
	return nil
}

func (k call) invalid(what, id string) error {
	e := fault.Newf(fault.Permanent, fault.Invalid, k.op.doing, "", what+" is not 32 hex digits in lower case", clean(id, ""))
	return e.WithHint("copy the id from the Cloudflare dashboard")
}

func (k call) invalidType() error {
	return fault.Newf(fault.Permanent, fault.Invalid, k.op.doing, "", "%q is not a token type", clean(string(k.kind), ""))
}
