// Package secret keeps token values out of everything that prints, and seals
// the ones that must rest on disk.
//
// A Value is made of the bytes that were decoded, and prints as redacted under every verb and encoder;
// only Reveal, which is easily searched for, returns the text. A Source says where a secret is found, and
// never holds it. An Identity seals values with age for the time in which a delivery may need them
// again; its key's file is refused where others could read it.
package secret

import (
	"crypto/subtle"
	"fmt"
	"hash/maphash"
	"io"
	"strconv"
)

// Redacted is what every rendering of a Value shows.
const Redacted = "[redacted]"

// Value is a string that prints as Redacted under every fmt verb, in JSON,
// YAML and text, and in the logger. Only Reveal gives the string out. The zero
// Value is empty. A Value is immutable and safe for concurrent use.
//
// The string sits behind a pointer because fmt calls no methods on unexported
// struct fields: there it prints an address instead of the secret.
type Value struct{ p *string }

// New wraps s.
func New(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{&s}
}

// Reveal returns the string itself. Call it only where bytes leave for the
// place that is meant to hold them.
func (v Value) Reveal() string {
	if v.p == nil {
		return ""
	}
	return *v.p
}

// IsEmpty reports whether there is no secret in v.
func (v Value) IsEmpty() bool { return v.p == nil }

// Equal reports whether two values are the same, in constant time.
func (v Value) Equal(o Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(o.Reveal())) == 1
}

// String implements fmt.Stringer.
func (v Value) String() string { return Redacted }

// GoString implements fmt.GoStringer.
func (v Value) GoString() string { return Redacted }

// Format implements fmt.Formatter, so that no verb or flag reaches the string.
func (v Value) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, Redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON, YAML and the logger honour.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalYAML implements the YAML encoders' marshaler.
func (v Value) MarshalYAML() (any, error) { return Redacted, nil }

// UnmarshalText implements encoding.TextUnmarshaler: a decoded string is a
// secret from its first byte on.
func (v *Value) UnmarshalText(b []byte) error {
	*v = New(string(b))
	return nil
}

// Fingerprint tells values apart without showing them. It is for comparing
// within one process: it is keyed with a key of the process.
func Fingerprint(v Value) string {
	h := maphash.String(fingerprintSeed, v.Reveal())
	return strconv.FormatUint(h, 16)
}

var fingerprintSeed = maphash.MakeSeed()
