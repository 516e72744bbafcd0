package moq

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

const rotationIDLen = 26

// Crockford's alphabet in lower case sorts like the bytes it encodes.
const rotationIDAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var rotationIDEncoding = base32.NewEncoding(rotationIDAlphabet).WithPadding(base32.NoPadding)

// NewRotationID returns a fresh id for one mint attempt: 26 characters
// [0-9a-z], ordered by at (milliseconds), unique by 80 random bits. It sorts
// after prev, the slot's latest id so far, even when the clock was set back; prev
// may be empty.
func NewRotationID(at time.Time, prev string) string {
	ms := uint64(at.UnixMilli())
	if p, err := rotationIDEncoding.DecodeString(prev); err == nil && len(p) == 16 {
		ms = max(ms, binary.BigEndian.Uint64(p)>>16+1)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], ms<<16)
	_, _ = rand.Read(b[6:]) // crypto/rand never fails: it aborts the program instead
	return rotationIDEncoding.EncodeToString(b[:])
}

// IsRotationID reports whether s has the form of a rotation id.
func IsRotationID(s string) bool {
	return len(s) == rotationIDLen && strings.Trim(s, rotationIDAlphabet) == ""
}
