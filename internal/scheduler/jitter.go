package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"
)

// Jitter is a delay in [0, limit), spread evenly over keys and instants, and always
// the same for the same key and instant. There is none below a limit of zero or less.
func Jitter(key string, instant time.Time, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	text := binary.BigEndian.AppendUint64([]byte(key), uint64(instant.UnixNano()))
	sum := sha256.Sum256(text)
	share, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:]), uint64(limit))
	return time.Duration(share)
}
