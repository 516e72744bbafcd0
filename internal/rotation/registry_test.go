package rotation

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func numberedSlot(relay int, typ moq.TokenType) moq.Key {
	return moq.Key{AccountID: testAccount, RelayID: fmt.Sprintf("%032x", relay), Type: typ}
}

func TestSlotsOfARelayAreFoundByTypeInWhateverOrderTheyCome(t *testing.T) {
	const slots = 60
	r := newRegistry()
	for i := range slots {
		r.addWorker(nil, slot.Record{Key: numberedSlot(i%3, moq.TokenType(fmt.Sprintf("%02d", i*7%slots)))})
	}
	if all := r.allWorkers(); len(all) != slots || r.size != slots {
		t.Errorf("%d slots, counted %d, want %d", len(all), r.size, slots)
	}
	for relay := range 3 {
		var types []string
		for _, w := range r.ofRelay(numberedSlot(relay, "").OfRelay()) {
			types = append(types, string(w.record.Key.Type))
			if r.workerOf(w.record.Key) != w {
				t.Errorf("another slot than that of %s is found", w.record.Key)
			}
		}
		if len(types) != slots/3 || !slices.IsSorted(types) {
			t.Errorf("relay %d has the slots %v", relay, types)
		}
	}
	if r.workerOf(numberedSlot(0, "no such")) != nil || r.workerOf(numberedSlot(4, "00")) != nil || r.ofRelay(numberedSlot(4, "").OfRelay()) != nil {
		t.Error("what nobody added is found")
	}
}

// BenchmarkSlotsOfARelay finds the slots of one relay among those of a fleet, as each list of a relay does.
func BenchmarkSlotsOfARelay(b *testing.B) {
	for _, relays := range []int{5, 50_000} {
		r := newRegistry()
		for i := range 2 * relays {
			r.addWorker(nil, slot.Record{Key: numberedSlot(i/2, []moq.TokenType{moq.PublishSubscribe, moq.Subscribe}[i%2])})
		}
		b.Run(fmt.Sprint(2*relays), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if found := r.ofRelay(numberedSlot(i%relays, "").OfRelay()); len(found) != 2 {
					b.Fatalf("%d slots", len(found))
				}
			}
		})
	}
}
