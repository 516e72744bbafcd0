// Package forward sends on to the leader what a standby is asked and cannot answer, and lets in, at the leader, what
// standbys send on.
//
// A request goes over TLS to the address that the leader has told, and only to who has the key that it has told of
// (pin.go). It carries a signature by a key that all replicas share (sign.go), over the term it is meant for, what is
// asked, by whom and through which replica, and a nonce that the leader gave out a moment ago and accepts once
// (nonce.go): neither another term's leader, nor whoever listened, can have it carried out. Nothing is sent twice: where the
// answer is lost, who asked is told so (send.go).
package forward

import (
	"crypto/tls"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

// Leader is who leads, as the other replicas know it.
type Leader struct {
	Replica   string    // its name, for people
	Advertise string    // where the others reach it: https://host:port; "" where it does not tell
	SPKI      string    // digest of its certificate's key there, as PinOf returns it; "" where it has none
	Term      int64     // the revision of its key in the election
	Since     time.Time // it leads
}

// Standing is where a replica stands among the others.
type Standing struct {
	Leads  bool   // this replica does; Leader is then itself
	Leader Leader // who leads, or led last; the zero Leader: nobody did yet, or it is not known
	Vacant bool   // nobody leads now
}

// Options are what a Replica needs. All functions are called for each request, and do not block.
type Options struct {
	Name     string // of this replica, for people
	Standing func() Standing
	// Key returns what all replicas share.
	Key func() (secret.Value, error)
	// Certificate is shown to a leader that wants to see one; nil: none is.
	Certificate func() *tls.Certificate
}

// Replica sends requests on and lets them in. It is safe for concurrent use.
type Replica struct {
	Options
	nonces *nonces
	sender sender
	limits limits
}

// limits bound what others can take of this replica, and how long it waits for them.
type limits struct {
	dial   time.Duration // for a connection, and for a nonce
	quick  time.Duration // for the beginning of an answer that needs nobody else
	slow   time.Duration // for one that takes calls of Cloudflare's
	nonce  time.Duration // for how long one is good
	used   int           // nonces that are remembered
	answer int64         // bytes of an answer that is no page or list: a nonce, a refusal
}

func defaultLimits() limits {
	return limits{
		dial: 5 * time.Second, quick: 30 * time.Second, slow: 4 * time.Minute,
		nonce: 30 * time.Second, used: 4096, answer: 4 << 10,
	}
}

// New makes a Replica; it sends nothing.
func New(o Options) *Replica {
	l := defaultLimits()
	return &Replica{Options: o, nonces: newNonces(l.nonce, l.used), limits: l}
}

// Failure is why a request was not answered, or not let in: a status of HTTP, and words for people.
type Failure struct {
	Status int
	Text   string
}

// Error returns the words.
func (f *Failure) Error() string { return f.Text }
