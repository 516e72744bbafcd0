// Package moq holds the words of the domain that every room shares: slots,
// token types, tokens, rotation ids and labels. It does no I/O.
package moq

import (
	"regexp"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

// TokenType is one of a relay's two kinds of token.
type TokenType string

// The token types.
const (
	PublishSubscribe TokenType = "publish_subscribe" // full access
	Subscribe        TokenType = "subscribe"         // read only
)

// Types lists both token types.
func Types() []TokenType { return []TokenType{PublishSubscribe, Subscribe} }

// Valid reports whether t is a known type.
func (t TokenType) Valid() bool { return t == PublishSubscribe || t == Subscribe }

// Operations returns the rights of t as generation 2 of the API writes them.
func (t TokenType) Operations() []string {
	if t == PublishSubscribe {
		return []string{"publish", "subscribe"}
	}
	return []string{"subscribe"}
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

// Grants reports whether the token has exactly the operations of t, in any order.
func (t Token) Grants(tt TokenType) bool {
	want := tt.Operations()
	if len(t.Operations) != len(want) {
		return false
	}
	for _, w := range want {
		if !hasOperation(t.Operations, w) {
			return false
		}
	}
	return true
}

func hasOperation(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// NewToken is what a create call asks for.
type NewToken struct {
	Type    TokenType
	Expires time.Time // by this machine's clock; zero: Cloudflare's default, one year
	Label   string
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
	Reserved bool      // the caller holds a place in the budget already: do not wait
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
	rest, found := strings.CutPrefix(label, labelPrefix)
	if !found || len(rest) < rotationIDLen+2 || rest[len(rest)-rotationIDLen-1] != '-' {
		return "", false
	}
	if !IsRotationID(rest[len(rest)-rotationIDLen:]) {
		return "", false
	}
	return rest[:len(rest)-rotationIDLen-1], true
}
