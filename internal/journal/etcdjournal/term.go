package etcdjournal

import (
	"context"
	"encoding/json"
	"time"
)

// Term is a leadership: the election's key and the revision at which it was made. A save is refused
// once the key is gone, or made anew. The zero Term is nobody's: whoever has it excludes others by
// other means, such as by holding the election.
type Term struct {
	Key      string
	Revision int64
}

// TermRecord is what all replicas are told of a term. Open writes it, and that it could makes a replica the leader; the
// next term's replaces it.
type TermRecord struct {
	Revision  int64     `json:"revision"` // of the election's key
	Replica   string    `json:"replica"`
	Advertise string    `json:"advertise,omitempty"`
	Since     time.Time `json:"since"`
	Config    string    `json:"config,omitempty"` // digest of the configuration that was applied last
}

// writeTerm tells all that this term has begun, or what has changed in it.
func (s *Store) writeTerm(ctx context.Context, change func(*TermRecord)) error {
	return s.putLatest(ctx, termKey, func() ([]byte, error) {
		change(&s.options.TermRecord)
		return json.Marshal(s.options.TermRecord)
	})
}

// TermRevision is the one at which this term's record was written when the store was opened: who has seen it has seen
// all that was before.
func (s *Store) TermRevision() int64 { return s.termRevision }

// SetConfig tells all the digest of the configuration that was applied last.
func (s *Store) SetConfig(ctx context.Context, digest string) error {
	if err := s.over.why(); err != nil {
		return s.faultOf(writing, err)
	}
	if err := s.writeTerm(ctx, func(r *TermRecord) { r.Config = digest }); err != nil {
		return s.faultOf(writing, err)
	}
	return nil
}
