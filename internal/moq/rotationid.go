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

// Maker makes the rotation ids of one process, and knows them again: it marks each with 32 random bits
// of its own. Nothing has to be kept for that, of however many attempts.
type Maker [4]byte

// NewMaker returns the maker of a process.
func NewMaker() (m Maker) {
	_, _ = rand.Read(m[:]) // crypto/rand never fails: it aborts the program instead
	return m
}

// NewRotationID returns a fresh id for one mint attempt: 26 characters
// [0-9a-z], ordered by at (milliseconds), unique by the maker's mark and 48 random bits. It sorts
// after prev, the slot's latest id so far, even when the clock was set back; prev
// may be empty.
func (m Maker) NewRotationID(at time.Time, prev string) string {
	ms := uint64(at.UnixMilli())
	if p, ok := decodeRotationID(prev); ok {
		ms = max(ms, binary.BigEndian.Uint64(p)>>16+1)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], ms<<16)
	copy(b[6:], m[:])
	_, _ = rand.Read(b[10:])
	return rotationIDEncoding.EncodeToString(b[:])
}

// Made reports whether a rotation id is one of this maker's.
func (m Maker) Made(id string) bool {
	b, ok := decodeRotationID(id)
	return ok && Maker(b[6:10]) == m
}

// NewRotationID returns a fresh id that no process knows again.
func NewRotationID(at time.Time, prev string) string { return NewMaker().NewRotationID(at, prev) }

func decodeRotationID(id string) ([]byte, bool) {
	b, err := rotationIDEncoding.DecodeString(id)
	return b, err == nil && len(b) == 16
}

// isRotationID reports whether s has the form of a rotation id.
func isRotationID(s string) bool {
	return len(s) == rotationIDLen && strings.Trim(s, rotationIDAlphabet) == ""
}
