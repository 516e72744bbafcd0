package leadership

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// Card is what a replica tells the others of itself, beside its key in the election.
type Card struct {
	Replica   string    `json:"replica"`             // its name, for people
	Advertise string    `json:"advertise,omitempty"` // where the others reach it: https://host:port
	SPKI      string    `json:"spki,omitempty"`      // digest of its certificate's key there
	Config    string    `json:"config"`              // digest of its configuration
	Since     time.Time `json:"since"`               // it leads, or stands by where it does not lead, by its own clock

	Term int64 `json:"-"` // the revision of its key: of the term, if it leads
}

// SaysTheSame reports whether two cards differ in their times at most.
func (c Card) SaysTheSame(o Card) bool {
	c.Since, o.Since, c.Term, o.Term = time.Time{}, time.Time{}, 0, 0
	return c == o
}

// text is the card as etcd keeps it.
func (c Card) text() string {
	text, _ := json.Marshal(c) // strings and a time
	return string(text)
}

// Cards returns the cards of all candidates of the election below prefix, that of the leader first. One that cannot be
// read, of another version say, has its key for a name: its replica is there.
func Cards(ctx context.Context, client *clientv3.Client, prefix string) ([]Card, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	found, err := client.Get(ctx, prefix+"/",
		clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
	if err != nil {
		return nil, err
	}
	all := make([]Card, len(found.Kvs))
	for i, kv := range found.Kvs {
		_ = json.Unmarshal(kv.Value, &all[i])
		if all[i].Replica == "" {
			all[i].Replica = fmt.Sprintf("the candidate %s, whose card cannot be read,", kv.Key)
		}
		all[i].Term = kv.CreateRevision
	}
	return all, nil
}

// Proclaim has the others see another card of the leader's.
func (t *Term) Proclaim(ctx context.Context, c Card) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	err := t.election.Proclaim(ctx, c.text())
	if errors.Is(err, concurrency.ErrElectionNotLeader) {
		t.End(errors.New("the election's key is gone"))
	}
	return err
}
