package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// An envelope is the version byte, a checksum of key and content, and the content.
// The checksum covers the key so that a value in another's place is noticed.
const (
	envelopeVersion = 1
	envelopeHead    = 1 + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeEnvelope(key, content []byte) []byte {
	return appendEnvelope(make([]byte, 0, envelopeHead+len(content)), key, content)
}

func appendEnvelope(out, key, content []byte) []byte {
	out = append(out, envelopeVersion)
	out = binary.BigEndian.AppendUint32(out, checksumOf(key, content))
	return append(out, content...)
}

// decodeEnvelope returns the content, which shares memory with the envelope.
func decodeEnvelope(key, envelope []byte) ([]byte, error) {
	if len(envelope) < envelopeHead {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(envelope))
	}
	if v := envelope[0]; v != envelopeVersion {
		return nil, fmt.Errorf("%w: unknown version %d of the envelope", ErrDamaged, v)
	}
	content := envelope[envelopeHead:]
	if binary.BigEndian.Uint32(envelope[1:]) != checksumOf(key, content) {
		return nil, fmt.Errorf("%w: the checksum does not match", ErrDamaged)
	}
	return content, nil
}

func checksumOf(key, content []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, content)
}
