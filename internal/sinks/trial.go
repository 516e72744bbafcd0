package sinks

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

// TrialSize is how long a token's value is taken to be before one was seen.
const TrialSize = 1 << 10

// Trial is a record like those that a slot delivers, with a stand-in of size bytes in place of the
// value. A nameless one has no id and no end.
func Trial(n Names, size int, nameless bool) Record {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := Record{Names: n, Token: standIn(size), RotationID: "0123456789abcdefghijklmnop", RotatedAt: at}
	if !nameless {
		r.TokenID, r.ExpiresAt = trialID, at.Add(30*24*time.Hour)
	}
	return r
}

const trialID = "0123456789abcdef0123456789abcdef"

// standIn is shaped like a JWT, so that a template finds in it what it finds in a token's value. It
// proves nothing to anybody: its signature is a filler.
func standIn(size int) secret.Value {
	part := base64.RawURLEncoding.EncodeToString
	v := part([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." +
		part([]byte(`{"aud":"moq.cloudflare.com","exp":1769817600,"jti":"`+trialID+`","operations":["publish","subscribe"]}`)) + "."
	return secret.New((v + strings.Repeat("A", max(0, size-len(v))))[:size])
}

// Fits refuses a content that a store does not take, or that could not be read back from it.
func Fits(op, target string, content secret.Value, most int) *fault.Error {
	n := len(content.Reveal())
	if n <= most {
		return nil
	}
	return fault.Newf(fault.Permanent, fault.Invalid, op, target, "the content has %d bytes, and the store takes %d", n, most).
		WithHint("shorten the sink's template or fields")
}

// TooLargeAsGuessed tells of a content that does not fit if a token's value is as long as it is taken to be.
func TooLargeAsGuessed(large *fault.Error) string {
	return fmt.Sprintf("%v, if a token's value has %d bytes, which is a guess until one was seen: %s", large.Err, TrialSize, large.Hint)
}
