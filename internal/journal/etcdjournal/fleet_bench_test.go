package etcdjournal

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/slot"
)

// What a fleet's records take: to follow, in memory, and until the next leader has them all, with a copy and without.
func BenchmarkAFleet(b *testing.B) {
	const slots = 100_000
	w := newWorld(b, 1, etcdtest.Sync())
	bytes := w.fill(b, w.open(b, Options{}), slots)
	for b.Loop() {
		before := liveHeap()
		began := time.Now()
		c := w.follow(b, FollowOptions{})
		for c.Err() != nil {
			<-time.After(time.Millisecond)
		}
		followed := time.Since(began)
		took := liveHeap() - before
		if n := len(copied(c)); n != slots {
			b.Fatalf("the copy holds %d records: %v", n, c.Err())
		}
		with := w.timeToLoad(b, Options{Copy: c}, slots)
		without := w.timeToLoad(b, Options{}, slots)
		b.ReportMetric(float64(bytes)/slots, "bytes-in-etcd/slot")
		b.ReportMetric(float64(took)/slots, "bytes-of-copy/slot")
		b.ReportMetric(followed.Seconds(), "s-to-follow")
		b.ReportMetric(with.Seconds(), "s-to-load-with-copy")
		b.ReportMetric(without.Seconds(), "s-to-load-without")
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fill writes so many records of slots at rest, and returns their size.
func (w world) fill(b *testing.B, s *Store, slots int) (size int) {
	b.Helper()
	for n := 0; n < slots; {
		var ops []clientv3.Op
		for ; len(ops) < 100 && n < slots; n++ {
			text, err := json.Marshal(recordAtRest(n))
			if err != nil {
				b.Fatal(err)
			}
			value := s.signer.seal(slotKey(journaltest.Key(n)), 1, text)
			size += len(value)
			ops = append(ops, clientv3.OpPut(w.full(n), value))
		}
		if _, err := w.Client.Txn(b.Context()).Then(ops...).Commit(); err != nil {
			b.Fatal(err)
		}
	}
	return size
}

// recordAtRest is a record of a slot whose last rotation is over, with two targets and one old token.
func recordAtRest(n int) *slot.Record {
	r := journaltest.Record(n, 1, 0)
	at := slot.TimestampOf(journaltest.Day())
	r.LastRotation = at
	r.Rotation.Phase, r.Rotation.Strategy, r.Rotation.Cause = slot.Verified, "overlap", "schedule"
	r.Rotation.Started, r.Rotation.MintedAt, r.Rotation.Finished, r.Rotation.Expires = at, at, at, at
	r.Rotation.Names = slot.Names{Relay: fmt.Sprint("relay-", n), Account: "main", Instance: "default"}
	r.Rotation.ID = fmt.Sprintf("%026x", n)
	clock := slot.Reading{Boot: "0b8b5e4c-9d0c-4c8e-8d55-6f1f2f3f4f5f/1234567", Elapsed: time.Hour, Cloudflare: at}
	r.Rotation.Clock = clock
	token := func(id int) slot.Token {
		return slot.Token{ID: fmt.Sprintf("%032x", id), RotationID: r.Rotation.ID, Clock: clock, Created: at, Expires: at, Grace: time.Hour}
	}
	current := token(n + 1)
	r.Current = &current
	r.Retiring = []slot.Token{token(n + 2)}
	for _, sink := range []string{"disk", "vault"} {
		path := fmt.Sprintf("/var/lib/moq/relay-%d/subscribe", n)
		target := slot.Target{Sink: sink, Target: path, Location: sink + ":" + path, Required: true}
		r.Rotation.Targets = append(r.Rotation.Targets, target)
		r.Receipts = append(r.Receipts, slot.Receipt{Target: target, RotationID: r.Rotation.ID, Digest: make([]byte, 32), At: at})
	}
	return r
}

// timeToLoad is how long the next leader takes from its election until it has all records.
func (w world) timeToLoad(b *testing.B, o Options, slots int) time.Duration {
	b.Helper()
	began := time.Now()
	s := w.open(b, o)
	visits := 0
	if err := s.Load(b.Context(), func(*slot.Record) error { visits++; return nil }); err != nil || visits != slots {
		b.Fatalf("%d records, %v", visits, err)
	}
	return time.Since(began)
}
