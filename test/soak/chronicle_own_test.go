package soak

import (
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// The watch over replicas is itself to be seen to find what it looks for.
func TestTheChronicleFindsARotationThatBeginsTwiceForOneInstant(t *testing.T) {
	t.Parallel()
	instant := time.Now().Truncate(time.Second)
	begins := func(id string, at time.Time) *slot.Record {
		return &slot.Record{PendingMint: &slot.Rotation{ID: id, Cause: slot.CauseSchedule, MeetsThrough: slot.TimestampOf(at)}}
	}
	brings := func(id string, at time.Time) *slot.Record {
		return &slot.Record{Rotation: &slot.Rotation{ID: id, MeetsThrough: slot.TimestampOf(at)}}
	}
	for name, c := range map[string]struct {
		records []*slot.Record
		faults  int
	}{
		"the next instant":         {[]*slot.Record{begins("a", instant), brings("a", instant), begins("b", instant.Add(time.Second))}, 0},
		"the same instant":         {[]*slot.Record{begins("a", instant), brings("a", instant), begins("b", instant)}, 1},
		"an earlier one":           {[]*slot.Record{begins("a", instant), brings("a", instant), begins("b", instant.Add(-time.Second))}, 1},
		"again after a lost mint":  {[]*slot.Record{begins("a", instant), {}, begins("b", instant)}, 0},
		"an instant of the future": {[]*slot.Record{begins("a", instant.Add(time.Minute))}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{TB: t, Folder: harness.NewFolder(t)}
			seen := &chronicle{world: w, slots: map[string]*progress{}}
			for n, r := range c.records {
				r.Key = moq.Key{AccountID: harness.AccountID, RelayID: harness.RelayID(0), Type: moq.Subscribe}
				seen.noteRecord(r, int64(n))
			}
			if len(seen.faults) != c.faults {
				t.Errorf("found %q", seen.faults)
			}
		})
	}
}

func TestTheChronicleFindsWhoActsWithoutATerm(t *testing.T) {
	t.Parallel()
	network := harness.NewNetwork(t)
	g := &replicas{chronicle: &chronicle{}}
	for n := range 2 {
		g.all = append(g.all, &replica{pages: fmt.Sprint("127.0.0.1:", n), host: network.NewHost()})
	}
	began := time.Now()
	for n := range 3 { // 0, 1 and 0 again, a minute each
		g.chronicle.terms = append(g.chronicle.terms, term{[]byte(fmt.Sprintf(`{"replica":"it:%d"}`, n%2)), int64(n), began.Add(time.Duration(n) * time.Minute)})
	}
	for at, could := range map[time.Duration][2]bool{
		0: {true, false}, 30 * time.Second: {true, false}, 60 * time.Second: {true, true},
		62 * time.Second: {false, true}, 100 * time.Second: {false, true}, 122 * time.Second: {true, false}, time.Hour: {true, false},
	} {
		for n, r := range g.all {
			if got := g.couldAct(call{at: began.Add(at), host: r.host.Address()}); got != could[n] {
				t.Errorf("%s after the beginning, replica %d could act: %t", at, n, got)
			}
		}
	}
}
