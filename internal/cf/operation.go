package cf

import (
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/redact"
)

// operation is one kind of call.
type operation uint8

const (
	createToken operation = iota
	listTokens
	revokeToken
	rotateToken
	getRelay
)

// metricName is the operation as metrics count it.
func (o operation) metricName() string {
	return [...]string{createToken: "create", listTokens: "list", revokeToken: "revoke", rotateToken: "rotate", getRelay: "relay"}[o]
}

// String is the operation as errors say it.
func (o operation) String() string {
	if o == getRelay {
		return "get relay"
	}
	if o == listTokens {
		return "list tokens"
	}
	return o.metricName() + " token"
}

// isMint: when the answer is lost, it may have been carried out, and that matters.
func (o operation) isMint() bool { return o == createToken || o == rotateToken }

// call is one operation on one relay.
type call struct {
	op      operation
	relayID string
	tokenID string        // of a revocation
	kind    moq.TokenType // of a mint
}

// checkArguments refuses unknown types, and ids that could reach another endpoint: they go into the path unescaped.
func (k call) checkArguments() error {
	if !moq.IsID(k.relayID) {
		return k.invalidID("relay id", k.relayID)
	}
	if k.op == revokeToken && !moq.IsID(k.tokenID) {
		return k.invalidID("token id", k.tokenID)
	}
	if k.op.isMint() && !k.kind.Valid() {
		return k.invalidType()
	}
	return nil
}

func (k call) invalidID(what, id string) error {
	e := fault.Newf(fault.Permanent, fault.Invalid, k.op.String(), "", "%s %s is not 32 hex digits in lower case", what, redact.Label(id))
	return e.WithHint("copy the id from the Cloudflare dashboard")
}

func (k call) invalidType() error {
	return fault.Newf(fault.Permanent, fault.Invalid, k.op.String(), "", "%s is not a token type", redact.Label(string(k.kind)))
}
