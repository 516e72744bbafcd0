package etcdjournal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/secret"
)

// An envelope is the version byte, an HMAC, who wrote it, and the content. The HMAC is over all else and
// the key below the prefix: who can write to etcd and has no identity can neither make a value nor
// move one to another slot. That an older value was put back it does not tell.
//
// The version rises with whatever an older rotatord must not write over, because it would drop it; what
// may be lost so is added without. Version and HMAC stay as they are in all versions: so each tells a
// newer one from what somebody else wrote, and stands by.
const (
	envelopeVersion = 1
	signatureSize   = sha256.Size
	writerSize      = 16
	authorSize      = writerSize + 8 + 8
	envelopeHead    = 1 + signatureSize + authorSize
)

// author is who wrote a value, and when in the order of what it wrote.
type author struct {
	writer   [writerSize]byte // a store: random
	term     int64            // its term's revision
	sequence uint64
}

// signer makes and opens envelopes. It is immutable.
type signer struct {
	keys   []secret.Value
	writer [writerSize]byte
	term   int64
}

func newSigner(keys []secret.Value, term Term) signer {
	s := signer{keys: slices.Clone(keys), term: term.Revision}
	_, _ = rand.Read(s.writer[:]) // never fails: it aborts the program instead
	return s
}

// isOurs reports whether this very store wrote a value.
func (s signer) isOurs(a author) bool { return a.writer == s.writer }

// seal puts a key's content into an envelope, as this writer's value of a sequence number.
func (s signer) seal(key string, sequence uint64, content []byte) string {
	out := make([]byte, 1+signatureSize, envelopeHead+len(content))
	out[0] = envelopeVersion
	out = append(out, s.writer[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(s.term))
	out = binary.BigEndian.AppendUint64(out, sequence)
	out = append(out, content...)
	copy(out[1:], sign(s.keys[0], key, out))
	return string(out)
}

// open returns the content of a key's envelope, which shares its memory, and who wrote it.
func (s signer) open(key string, envelope []byte) (content []byte, a author, err error) {
	if len(envelope) < envelopeHead {
		return nil, author{}, fmt.Errorf("%w: %d bytes are too few", durable.ErrDamaged, len(envelope))
	}
	if !slices.ContainsFunc(s.keys, func(k secret.Value) bool {
		return hmac.Equal(envelope[1:1+signatureSize], sign(k, key, envelope))
	}) {
		return nil, author{}, errForeign
	}
	if v := envelope[0]; v > envelopeVersion {
		return nil, author{}, fmt.Errorf("%w: it is of version %d, and this one reads up to %d", durable.ErrNewer, v, envelopeVersion)
	}
	rest := envelope[1+signatureSize:]
	a.writer = [writerSize]byte(rest)
	a.term = int64(binary.BigEndian.Uint64(rest[writerSize:]))
	a.sequence = binary.BigEndian.Uint64(rest[writerSize+8:])
	return rest[authorSize:], a, nil
}

// sign returns the HMAC of an envelope, whose own does not count.
func sign(with secret.Value, key string, envelope []byte) []byte {
	mac := hmac.New(sha256.New, []byte(with.Reveal()))
	mac.Write(envelope[:1])
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(key))))
	mac.Write([]byte(key))
	mac.Write(envelope[1+signatureSize:])
	return mac.Sum(nil)
}

// errForeign says that a value is not signed with a key of ours.
var errForeign = fmt.Errorf(
	"%w: it is not signed with this identity's key: somebody else wrote it, or it was moved to another key", durable.ErrDamaged)

// KeysOf returns the keys that values are signed with: the first by what seals, and each of the identity's is believed.
func KeysOf(i *secret.Identity) ([]secret.Value, error) { return i.DeriveKeys("rotatord etcd record") }
