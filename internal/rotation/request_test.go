package rotation

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// failingOnce is a fleet's journal that fails to save alice's request, once it is told to.
type failingOnce struct {
	*fleet
	began, fail chan struct{}
}

func (d *failingOnce) Save(ctx context.Context, r *slot.Record, events ...slot.Event) error {
	if len(events) != 1 || events[0].By != "alice" {
		return d.fleet.Save(ctx, r, events...)
	}
	close(d.began)
	<-d.fail
	return errors.New("no space left on device")
}

// Who was told that the wish is durable is not let down by another's that was not.
func TestARequestThatCouldNotBeKeptTakesNoOtherAlong(t *testing.T) {
	for range 100 { // Bob's comes before or after the end of Alice's
		f := newFleet(t, moq.Overlap, 1, "disk")
		f.account.fails(0, errors.New("down")) // the wish stays one
		d := &failingOnce{f, make(chan struct{}), make(chan struct{})}
		f.load()
		f.engine.Journal = d
		f.configure()
		w, err := f.engine.slots.findConfigured(f.plans[0].Relay, string(moq.Subscribe))
		if err != nil {
			t.Fatal(err)
		}
		alice, bob := make(chan error), make(chan error)
		go func() { alice <- w.request(slot.Request{At: f.Now(), By: "alice"}) }()
		<-d.began
		go func() { bob <- w.request(slot.Request{At: f.Now(), By: "bob"}) }()
		runtime.Gosched()
		close(d.fail)
		if err := <-alice; err == nil {
			t.Fatal("alice's wish was kept")
		}
		if err := <-bob; err != nil {
			t.Fatal("bob's wish was not kept:", err)
		}
		if q := w.read().Request; q == nil || q.By != "bob" {
			t.Fatalf("what is asked for is %+v", q)
		}
		f.kill()
	}
}
