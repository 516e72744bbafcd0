package moq

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

// longestJWT bounds what is looked at for claims, in bytes.
const longestJWT = 16 << 10

// Claims are what a token's value says of itself, as far as it says it. Nobody checks its signature: they are compared
// and shown, and nothing is granted by them.
type Claims struct {
	ID         string // jti
	RelayID    string // sub
	Operations []string
	Expires    time.Time // exp
}

// ClaimsOf reads the claims of a value that is a signed JWT: three parts in base64url, of which the second holds an
// object in JSON. A claim of a form that nobody expects is as none.
func ClaimsOf(v secret.Value) (c Claims, ok bool) {
	text := v.Reveal()
	parts := strings.Split(text, ".")
	if len(text) > longestJWT || len(parts) != 3 || strings.ContainsAny(text, "\r\n") { // the decoder skips line ends
		return Claims{}, false
	}
	for _, part := range parts {
		if b, err := base64.RawURLEncoding.DecodeString(part); err != nil || len(b) == 0 {
			return Claims{}, false
		}
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var said map[string]json.RawMessage
	if json.Unmarshal(payload, &said) != nil || said == nil {
		return Claims{}, false
	}
	return Claims{
		ID: claimAs[string](said["jti"]), RelayID: claimAs[string](said["sub"]),
		Operations: claimAs[[]string](said["operations"]), Expires: timeClaimed(claimAs[float64](said["exp"])),
	}, true
}

// claimAs is a claim of a type; the zero value when it is of another.
func claimAs[T any](raw json.RawMessage) T {
	var v, none T
	if json.Unmarshal(raw, &v) != nil {
		return none
	}
	return v
}

// timeClaimed is a claim of seconds since 1970; the zero time when it is no time of our days.
func timeClaimed(seconds float64) time.Time {
	const year9999 = 253402300800
	if !(seconds > 0 && seconds < year9999) {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// TokenID is the id that is claimed, if it may stand in a file or a log: a word of 64 characters at most.
func (c Claims) TokenID() string {
	if len(c.ID) > 64 || strings.ContainsFunc(c.ID, func(r rune) bool { return r != '-' && !isWord(r) }) {
		return ""
	}
	return c.ID
}

// The claims that are compared.
const (
	claimID         = "jti"
	claimRelay      = "sub"
	claimOperations = "operations"
	claimExpiry     = "exp"
)

// sameExpiry is how far apart two expiries of one token may be said to be.
const sameExpiry = time.Minute

// Contradicted names the claims that say something else than the answer which the token came in.
func (c Claims) Contradicted(t Token, relayID string) (claims []string) {
	differs := map[string]bool{
		claimID:         c.ID != "" && c.ID != t.ID,
		claimRelay:      c.RelayID != "" && c.RelayID != relayID,
		claimOperations: c.Operations != nil && !slices.Equal(asSet(c.Operations), asSet(t.Operations)),
		claimExpiry:     !c.Expires.IsZero() && !t.Expires.IsZero() && c.Expires.Sub(t.Expires).Abs() > sameExpiry,
	}
	for _, claim := range []string{claimID, claimRelay, claimOperations, claimExpiry} {
		if differs[claim] {
			claims = append(claims, claim)
		}
	}
	return claims
}

// ContradictsID reports whether the token's id is among contradicted claims.
func ContradictsID(claims []string) bool { return slices.Contains(claims, claimID) }

func asSet(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }

// TokenIDsIn returns what looks like a token's id in a content, or in a JWT in it. It is called for every look at a
// target, so it does without regular expressions, and what it gives keeps nothing of the content.
func TokenIDsIn(content secret.Value) (ids []string) {
	for _, text := range []string{content.Reveal(), payloadsIn(content)} {
		for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !isWord(r) }) {
			if len(word) == 32 && IsID(word) {
				ids = append(ids, strings.Clone(word))
			}
		}
	}
	return ids
}

func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// payloadsIn returns the decoded payload of every JWT in a content, whatever it is.
func payloadsIn(content secret.Value) string {
	var b strings.Builder
	for text := range jwtsIn(content) {
		parts := strings.Split(text, ".")
		for i := 1; i < len(parts)-1; i++ {
			if payload, err := base64.RawURLEncoding.DecodeString(parts[i]); err == nil {
				b.Write(payload)
			}
		}
	}
	return b.String()
}

// jwtsIn yields what may be a JWT in a content.
func jwtsIn(content secret.Value) iter.Seq[string] {
	return strings.FieldsFuncSeq(content.Reveal(), func(r rune) bool { return r != '.' && r != '-' && !isWord(r) })
}

// HoldsTokenOfAnotherRelay reports whether a content holds a JWT, and every one in it says that it is of another relay.
func HoldsTokenOfAnotherRelay(content secret.Value, relayID string) (another bool) {
	for text := range jwtsIn(content) {
		c, ok := ClaimsOf(secret.New(text))
		if ok && (!IsID(c.RelayID) || c.RelayID == relayID) {
			return false
		}
		another = another || ok
	}
	return another
}
