package leadership

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
)

// length is that of the tests' leases: what has to end by itself is waited for.
const length = 3 * time.Second

// clock is a time since boot that a test can move.
type clock struct {
	began   time.Time
	forward atomic.Int64
}

func newClock() *clock { return &clock{began: time.Now()} }

func (c *clock) elapsed() time.Duration { return time.Since(c.began) + time.Duration(c.forward.Load()) }

func (c *clock) move(d time.Duration) { c.forward.Add(int64(d)) }

// candidate is a replica with a client of its own.
func candidate(t *testing.T, cluster *etcdtest.Cluster, name string) Candidate {
	t.Helper()
	client, err := etcdjournal.Dial(etcdjournal.Access{Endpoints: cluster.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return Candidate{Client: client, Prefix: "/rotatord/election", Length: length, Card: Card{Replica: name}, Elapsed: newClock().elapsed}
}

func mustLead(t *testing.T, c Candidate) *Term {
	t.Helper()
	term, err := c.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return term
}

type outcome struct {
	term *Term
	err  error
}

// campaign campaigns in the background, and returns once etcd knows of so many candidates.
func campaign(ctx context.Context, t *testing.T, c Candidate, cluster *etcdtest.Cluster, candidates int) <-chan outcome {
	t.Helper()
	ended := make(chan outcome, 1)
	go func() {
		term, err := c.Campaign(ctx)
		ended <- outcome{term, err}
	}()
	eventually(t, "the candidate is known", func() bool { return len(cards(t, cluster)) == candidates })
	return ended
}

// cards are the names of the candidates that etcd knows of, the leader first.
func cards(t *testing.T, cluster *etcdtest.Cluster) (all []string) {
	t.Helper()
	found, err := Cards(t.Context(), cluster.Client, "/rotatord/election")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		all = append(all, c.Replica)
	}
	return all
}

func await(t *testing.T, ended <-chan outcome) outcome {
	t.Helper()
	select {
	case o := <-ended:
		return o
	case <-time.After(time.Minute):
		t.Fatal("the campaign does not end")
		return outcome{}
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in a minute: ", what)
		}
	}
}
