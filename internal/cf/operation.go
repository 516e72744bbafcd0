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
	verifyAPIToken
)

// metricName is the operation as metrics count it.
func (o operation) metricName() string {
	return [...]string{createToken: "create", listTokens: "list", revokeToken: "revoke", rotateToken: "rotate", getRelay: "relay", verifyAPIToken: "verify"}[o]
}

// String is the operation as errors say it.
func (o operation) String() string {
	switch o {
	case getRelay:
		return "get relay"
	case listTokens:
		return "list tokens"
	case verifyAPIToken:
		return "verify API token"
	}
	return o.metricName() + " token"
}

// isMint reports whether the call mints: when its answer is lost, it may have been carried out, and that matters.
func (o operation) isMint() bool { return o == createToken || o == rotateToken }

// call is one operation on one relay, or on the API token.
type call struct {
	op         operation
	relayID    string
	tokenID    string        // of a revocation
	operations []string      // of a creation
	kind       moq.TokenType // of a rotation in place
}

// checkArguments refuses what no token has, and ids that could reach another endpoint: they go into the path unescaped.
func (k call) checkArguments() error {
	if k.op == verifyAPIToken {
		return nil
	}
	if !moq.IsID(k.relayID) {
		return k.invalidID("relay id", k.relayID)
	}
	if k.op == revokeToken && !moq.IsID(k.tokenID) {
		return k.invalidID("token id", k.tokenID)
	}
	if k.op == rotateToken && !k.kind.RotatesInPlace() {
		return k.invalid("%s is no type of token that is rotated in place", redact.Label(string(k.kind)))
	}
	if k.op == createToken {
		return k.checkOperations()
	}
	return nil
}

func (k call) checkOperations() error {
	for _, o := range k.operations {
		if !moq.IsOperation(o) {
			return k.invalid("%s is no operation of a token", redact.Label(o))
		}
	}
	if len(k.operations) == 0 {
		return k.invalid("a token needs operations")
	}
	return nil
}

func (k call) invalidID(what, id string) error {
	return k.invalid("%s %s is not 32 hex digits in lower case", what, redact.Label(id)).
		WithHint("copy the id from the Cloudflare dashboard")
}

func (k call) invalid(format string, args ...any) *fault.Error {
	return fault.Newf(fault.Permanent, fault.Invalid, k.op.String(), "", format, args...)
}
