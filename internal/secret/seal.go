package secret

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// The payload of an age file, as https://c2sp.org/age gives it.
const (
	payloadNonce = 16       // bytes before the payload
	payloadChunk = 64 << 10 // bytes encrypted at a time
)

// sealer writes age files that all begin with one header. Agreeing on a header's
// key takes some 170 µs, more than a rotation's other work in this process; a
// payload takes 3 µs. Each payload has a key of its own, from the header's and a random nonce.
type sealer struct{ header, fileKey []byte }

// newSealer makes a header that r opens.
func newSealer(r age.Recipient) (*sealer, error) {
	s := new(sealer)
	var head bytes.Buffer
	if _, err := age.Encrypt(&head, keeping{r, s}); err != nil {
		return nil, err
	}
	s.header = slices.Clip(head.Bytes()[:head.Len()-payloadNonce])
	return s, nil
}

// keeping is a recipient that lets the sealer see the key of the header.
type keeping struct {
	age.Recipient
	sealer *sealer
}

// Wrap implements age.Recipient.
func (k keeping) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	k.sealer.fileKey = bytes.Clone(fileKey)
	return k.Recipient.Wrap(fileKey)
}

func (s *sealer) sealBytes(plain []byte) ([]byte, error) {
	nonce := make([]byte, payloadNonce)
	_, _ = rand.Read(nonce) // never fails: it aborts the program instead
	key, err := hkdf.Key(sha256.New, s.fileKey, nonce, "payload", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return nil, err
	}
	return sealChunks(aead, append(s.header, nonce...), plain), nil
}

// sealChunks appends the encrypted chunks of plain to out. A chunk's nonce is its
// number, and whether it is the last.
func sealChunks(aead cipher.AEAD, out, plain []byte) []byte {
	nonce := make([]byte, chacha20poly1305.NonceSize)
	for number := uint64(0); ; number++ {
		n := min(len(plain), payloadChunk)
		binary.BigEndian.PutUint64(nonce[3:], number)
		if n == len(plain) {
			nonce[len(nonce)-1] = 1
		}
		out = aead.Seal(out, nonce, plain[:n], nil)
		if plain = plain[n:]; len(plain) == 0 {
			return out
		}
	}
}
