package forward

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

// nonces gives numbers out that are good once, and not for long. What is given out is not remembered, since anybody may
// ask: each carries its time, and a code that this process alone can make. Only what was used is, until it would
// be too old anyhow. Time is this process's own: no clock of another replica counts.
type nonces struct {
	life  time.Duration
	most  int
	key   []byte
	began time.Time

	mu   sync.Mutex
	used map[string]time.Duration // when they were given out
}

func newNonces(life time.Duration, most int) *nonces {
	return &nonces{life: life, most: most, key: randomBytes(sha256.Size), began: time.Now(), used: map[string]time.Duration{}}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it aborts the program instead
	return b
}

const (
	timeSize = 8
	codeFrom = timeSize + 16 // behind the time and what makes a nonce unlike any other
)

func (n *nonces) giveOut() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(time.Since(n.began)))
	b = append(b, randomBytes(codeFrom-timeSize)...)
	return base64.RawURLEncoding.EncodeToString(append(b, n.codeOf(b)...))
}

func (n *nonces) codeOf(b []byte) []byte {
	h := hmac.New(sha256.New, n.key)
	h.Write(b)
	return h.Sum(nil)
}

// isGood reports whether a nonce was given out here, and not long ago.
func (n *nonces) isGood(nonce string) bool {
	_, good := n.givenOut(nonce)
	return good
}

func (n *nonces) givenOut(nonce string) (at time.Duration, good bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != codeFrom+sha256.Size || !hmac.Equal(b[codeFrom:], n.codeOf(b[:codeFrom])) {
		return 0, false
	}
	at = time.Duration(binary.BigEndian.Uint64(b))
	return at, time.Since(n.began)-at < n.life
}

// use reports whether a nonce is good and was not used before. It is asked last: who uses one has signed for it.
func (n *nonces) use(nonce string) (fresh, full bool) {
	at, good := n.givenOut(nonce)
	if !good {
		return false, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, again := n.used[nonce]; again {
		return false, false
	}
	if len(n.used) >= n.most {
		n.forgetOld()
	}
	if len(n.used) >= n.most {
		return false, true
	}
	n.used[nonce] = at
	return true, false
}

// forgetOld drops those that are good no more. n.mu is held.
func (n *nonces) forgetOld() {
	for nonce, at := range n.used {
		if time.Since(n.began)-at >= n.life {
			delete(n.used, nonce)
		}
	}
}
