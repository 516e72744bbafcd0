// Package moq holds the words of the domain that every other package shares.
//
// A Key names a slot for good, by account, relay and TokenType; a Strategy says how it is rotated.
// Each attempt to mint has a rotation id of its own, which a Maker makes: they sort by age within a
// slot, and a process knows its own again. The Label of a token is made of the installation's name
// and that id, and is all by which a token whose answer was lost is found: CutLabel believes a
// label only as a whole. A Token is what Cloudflare lists, and Claims what a value says of itself,
// which is compared and never trusted. A Priority orders the calls that wait for a budget.
//
// It does no I/O, and what it reads may come from anybody: ids that go into paths are checked here
// (IsID).
package moq

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

// TokenType is a slot's word for its tokens: a built-in type, whose operations it says, or
// the name of a named token, which has operations of its own.
type TokenType string

// The built-in types.
const (
	PublishSubscribe TokenType = "publish_subscribe" // full access
	Subscribe        TokenType = "subscribe"         // read only
	Publish          TokenType = "publish"           // what an encoder needs
)

// BuiltInTypes lists the types whose operations their names say.
func BuiltInTypes() []TokenType { return []TokenType{Publish, PublishSubscribe, Subscribe} }

// Operations returns the rights of a built-in type as generation 2 of the API writes them;
// nil for a named token, whose name does not say them.
func (t TokenType) Operations() []string {
	switch t {
	case PublishSubscribe:
		return []string{"publish", "subscribe"}
	case Publish, Subscribe:
		return []string{string(t)}
	}
	return nil
}

// BuiltIn reports whether the type's name says its operations.
func (t TokenType) BuiltIn() bool { return t.Operations() != nil }

// RotatesInPlace reports whether the rotate endpoint knows the type.
func (t TokenType) RotatesInPlace() bool { return t == PublishSubscribe || t == Subscribe }

// OperationPattern is how an operation is written. Which ones there are, Cloudflare knows.
const OperationPattern = `^[a-z][a-z0-9_:.-]{0,62}$`

var operationPattern = regexp.MustCompile(OperationPattern)

// IsOperation reports whether s can be one of a token's operations.
func IsOperation(s string) bool { return operationPattern.MatchString(s) }

// SameOperations reports whether two lists are the same set of operations, each said once.
func SameOperations(a, b []string) bool {
	if slices.Equal(a, b) {
		return true
	}
	return len(a) == len(b) && slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Strategy is how a slot is rotated.
type Strategy string

// The strategies.
const (
	Overlap Strategy = "overlap"  // create, deliver, read back, revoke after the grace
	InPlace Strategy = "in_place" // the rotate endpoint: the old token dies at once
)

// Key identifies a slot for good: renaming a key of the configuration does not change it.
type Key struct {
	AccountID string    `json:"account_id"`
	RelayID   string    `json:"relay_id"`
	Type      TokenType `json:"type"`
}

// RelayKey identifies a relay for good.
type RelayKey struct{ AccountID, RelayID string }

// OfRelay is the key of the slot's relay.
func (k Key) OfRelay() RelayKey { return RelayKey{k.AccountID, k.RelayID} }

// String is the key's durable form, account/relay/type.
func (k Key) String() string { return k.AccountID + "/" + k.RelayID + "/" + string(k.Type) }

var idPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// IsID reports whether s can be an account, relay or token id: 32 hex digits,
// lower case. The client puts ids into URL paths unescaped, so nothing else may pass.
func IsID(s string) bool { return idPattern.MatchString(s) }

// RelayPlaces is how many tokens a relay accepts at most, whosever they are.
const RelayPlaces = 10

// Token is one token of a relay. Value is set only in the answer to a create call.
type Token struct {
	ID         string // jti
	Operations []string
	Created    time.Time
	Expires    time.Time // zero when Cloudflare did not say
	Label      string
	Value      secret.Value
}

// TokenList is what a list of a relay's tokens says.
type TokenList struct {
	Tokens []Token
	// Complete: all of them are shown, so that what is missing was not there when the list was made.
	Complete bool
}

// HasOperations reports whether the token has exactly these operations, in any order.
func (t Token) HasOperations(operations []string) bool {
	return SameOperations(t.Operations, operations)
}

// CloudflareTime is what Cloudflare's answers tell of its time. It does not depend on this machine's wall clock.
type CloudflareTime struct {
	Now       time.Time     // zero: not known, because no two answers have agreed so far
	SampleAge time.Duration // elapsed since the last answer that agreed with it
}

// NewToken is what a create call asks for.
type NewToken struct {
	Operations []string  // one at least
	Expires    time.Time // by Cloudflare's time, or this machine's where that is not known; zero: Cloudflare's default, one year
	Label      string
}

// Urgency orders the calls that wait for one account's budget; lower goes first.
type Urgency uint8

// The urgencies, most urgent first.
const (
	Blackout    Urgency = iota // consumers are locked out until this call is done
	Compromised                // a token is known to others
	Routine                    // ordered among themselves by Deadline
)

// Priority is a call's place in the queue for its account's budget.
type Priority struct {
	Urgency  Urgency
	Deadline time.Time // the slot's nearest token expiry; zero sorts last
	Revoke   bool      // a revocation: never starved by the others
	Reserved bool      // the caller has its turn in the budget already: do not wait
	Proven   bool      // send it only if the account has answered as Cloudflare does within a minute
}

// Less reports whether p goes before q. Revoke is not compared: the budget
// gives revocations a turn of their own.
func (p Priority) Less(q Priority) bool {
	if p.Urgency != q.Urgency {
		return p.Urgency < q.Urgency
	}
	if p.Deadline.IsZero() || q.Deadline.IsZero() {
		return !p.Deadline.IsZero() && q.Deadline.IsZero()
	}
	return p.Deadline.Before(q.Deadline)
}

const labelPrefix = "rotatord-"

// Label marks the token of one mint attempt of one installation.
func Label(instance, rotationID string) string { return labelPrefix + instance + "-" + rotationID }

// LabelInstance names the installation that a label belongs to; ok is false
// when rotatord did not make the label.
func LabelInstance(label string) (instance string, ok bool) {
	instance, _, ok = CutLabel(label)
	return instance, ok
}

// CutLabel takes a label apart; ok is false when rotatord did not make it.
func CutLabel(label string) (instance, rotationID string, ok bool) {
	rest, found := strings.CutPrefix(label, labelPrefix)
	at := len(rest) - rotationIDLen
	if !found || at < 2 || rest[at-1] != '-' || !isRotationID(rest[at:]) {
		return "", "", false
	}
	return rest[:at-1], rest[at:], true
}
