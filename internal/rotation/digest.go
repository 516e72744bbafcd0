package rotation

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/rotatord/rotatord/internal/secret"
)

// digest is a keyed digest of what a target holds: equal contents of one slot
// have equal digests, and nothing can be learned from one without the key.
func (w *worker) digest(content secret.Value) []byte {
	h := hmac.New(sha256.New, w.engine.digestKey)
	_, _ = h.Write([]byte(w.record.Key.String() + "\x00" + content.Reveal()))
	return h.Sum(nil)
}
