package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/leadership"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// BenchmarkStandby measures a replica that stands by, and follows the records of a fleet whose every slot was rotated.
func BenchmarkStandby(b *testing.B) {
	rotatord.Path(b) // built before anything is timed
	say("\nStandby: a replica that follows the records of a fleet in etcd, every slot of which was rotated")
	say("%9s %9s %9s %9s %9s", "slots", "record", "ready", "resident", "peak")
	for _, n := range given.sizes {
		measureStandby(b, n)
	}
}

func measureStandby(b *testing.B, slots int) {
	etcd := etcdtest.Start(b, 1, etcdtest.Quota(8<<30))
	w := newFleet(b, slots)
	defer w.Remove()
	identity := harness.Must[*secret.Identity](b)(secret.CreateIdentity(w.Path("identity.txt")))
	size := w.lead(etcd, identity)
	w.configureWith(harness.Config{
		State: fmt.Sprintf("identity_file: %s, etcd: {endpoints: [%s]}", w.Path("identity.txt"), strings.Join(etcd.Endpoints(), ", ")),
	}, "24h, shared: true", "schedule")
	ready := w.start()
	w.settled()
	say("%9d %8dB %8.3fs %7.1fMB %7.1fMB", slots, size, ready.Seconds(), w.memory("VmRSS"), w.memory("VmHWM"))
	w.stop()
}

// lead leads in the place of another replica, and gives every slot a record. It returns how long one is.
func (w *fleet) lead(etcd *etcdtest.Cluster, identity *secret.Identity) (recordSize int) {
	w.Helper()
	began := time.Now()
	term := harness.Must[*leadership.Term](w)(leadership.Candidate{
		Client: etcd.Client, Prefix: "/rotatord/election", Length: time.Minute, Card: leadership.Card{Replica: "the benchmark"},
		Elapsed: func() time.Duration { return time.Since(began) },
	}.Campaign(w.Context()))
	var fence etcdjournal.Term
	fence.Key, fence.Revision = term.Fence()
	store := harness.Must[*etcdjournal.Store](w)(etcdjournal.Open(w.Context(), etcd.Client, etcdjournal.Options{
		Prefix: "/rotatord", Term: fence, Identity: identity,
		Keys:       harness.Must[[]secret.Value](w)(etcdjournal.KeysOf(identity)),
		TermRecord: etcdjournal.TermRecord{Replica: "the benchmark", Since: began},
	}))
	harness.Check(w, store.Load(w.Context(), func(*slot.Record) error { return nil }))
	w.saveAll(store)
	return len(harness.Must[[]byte](w)(json.Marshal(w.rotated(0))))
}

// saveAll saves a record for each slot, many at a time.
func (w *fleet) saveAll(store *etcdjournal.Store) {
	w.Helper()
	const atATime = 200
	var group sync.WaitGroup
	failed := make([]error, atATime)
	for worker := range atATime {
		group.Go(func() {
			for i := worker; i < w.slots && failed[worker] == nil; i += atATime {
				failed[worker] = store.Save(w.Context(), w.rotated(i))
			}
		})
	}
	group.Wait()
	harness.Check(w, errors.Join(failed...))
}

// rotated is the record of a slot that was rotated once.
func (w *fleet) rotated(i int) *slot.Record {
	typ := []moq.TokenType{moq.PublishSubscribe, moq.Subscribe}[i%2]
	at := slot.TimestampOf(time.Now().Add(-time.Hour))
	expires := at.Add(30 * 24 * time.Hour)
	clock := slot.Reading{Boot: "0b2d3a52-3f0e-4a5f-9d4c-8c2a5b1f0e77", Elapsed: time.Hour}
	id := moq.NewRotationID(at.Time(), "")
	target := slot.Target{Sink: "disk", Required: true}
	target.Target = fmt.Sprintf("%s/relay-%d/%s.token", w.files, i/2, typ)
	target.Location = "file://" + target.Target
	token := &slot.Token{ID: fmt.Sprintf("%032x", i), RotationID: id, Created: at, Expires: expires, ValueSize: 300, Clock: clock}
	return &slot.Record{
		Key:       moq.Key{AccountID: harness.AccountID, RelayID: harness.RelayID(i / 2), Type: typ},
		FirstSeen: at, MetThrough: at, LastRotation: at, Current: token,
		InForce: &slot.ScheduleInForce{Text: schedule(i), Zone: "UTC", Next: at.Add(3 * 24 * time.Hour)},
		Rotation: &slot.Rotation{
			ID: id, Phase: slot.Verified, Strategy: moq.Overlap, Cause: slot.CauseInitial, MeetsThrough: at, DueAt: at, Started: at,
			Clock: clock, MintedAt: at, Finished: at, Grace: 12 * time.Hour, Expires: expires, Verify: true, Targets: []slot.Target{target},
			Names: slot.Names{Relay: fmt.Sprint("relay-", i/2), Account: "main", Instance: "default"}, Operations: []string{"publish", "subscribe"},
			Token: token,
		},
		Receipts: slot.Receipts{{Target: target, RotationID: id, Digest: make([]byte, 32), At: at}},
	}
}
