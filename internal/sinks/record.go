package sinks

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

// Field is one field of a record. Value is the plain string, a token's value
// included: it goes nowhere but into a target's content.
type Field struct{ Key, Value string }

// Fields returns the record in the order that is documented. Times are RFC 3339
// in UTC; what is unknown is empty.
func (r Record) Fields() []Field {
	w := r.templateWords()
	return []Field{
		{"token", w.Token}, {"type", w.Type}, {"relay", w.Relay}, {"relay_id", w.RelayID},
		{"account_id", w.AccountID}, {"token_id", w.TokenID}, {"rotation_id", w.RotationID},
		{"rotated_at", w.RotatedAt}, {"expires_at", w.ExpiresAt},
	}
}

// words is what a value template sees.
type words struct {
	Names
	RotationID, Token, TokenID, ExpiresAt, RotatedAt string
}

func (r Record) templateWords() words {
	return words{
		Names: r.Names, RotationID: r.RotationID, Token: r.Token.Reveal(), TokenID: r.TokenID,
		ExpiresAt: formatTime(r.ExpiresAt), RotatedAt: formatTime(r.RotatedAt),
	}
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// JSON encodes the record as one JSON object in the documented order, without
// HTML escapes and without a newline at the end.
func (r Record) JSON() secret.Value {
	var b strings.Builder
	for i, f := range r.Fields() {
		b.WriteString([]string{"{", ","}[min(i, 1)] + quoteJSON(f.Key) + ":" + quoteJSON(f.Value))
	}
	return secret.New(b.String() + "}")
}

func quoteJSON(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// Env encodes the record as lines of MOQ_KEY=value, which systemd's
// EnvironmentFile= and a shell's "." read alike. A NUL, which neither can
// carry, is an error.
func (r Record) Env() (secret.Value, error) {
	var b strings.Builder
	for _, f := range r.Fields() {
		if strings.ContainsRune(f.Value, 0) {
			return secret.Value{}, errors.New("the " + f.Key + " holds a NUL, which no environment can carry")
		}
		b.WriteString("MOQ_" + strings.ToUpper(f.Key) + "=" + quoteEnv(f.Value) + "\n")
	}
	return secret.New(b.String()), nil
}

// Between double quotes a shell and systemd unescape these four, and change nothing else.
var envEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`)

func quoteEnv(s string) string {
	if strings.IndexFunc(s, needsQuotes) < 0 {
		return s
	}
	return `"` + envEscapes.Replace(s) + `"`
}

func needsQuotes(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("_./:+=@,-", r)
}
