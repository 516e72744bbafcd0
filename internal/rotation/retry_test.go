package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

func TestARefusedLoginIsTriedAtOnceWhenItMayHaveBeenMended(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			w := newWorld(t, strategy, 2)
			w.start()
			w.run(23 * time.Hour)
			w.sinks["sink1"].down, w.sinks["sink1"].refuses = true, true
			w.run(time.Hour + time.Minute)
			w.mustHold("value-1")
			w.sinks["sink1"].down = false
			w.engine.Retry([]string{"sink0"})
			w.run(time.Second)
			w.mustHold("value-1") // sink0 turned nobody away
			w.engine.Retry([]string{"sink0", "sink1"})
			w.run(time.Second)
			w.mustHold("value-2")
			w.mustBeSound()
		})
	}
}

func TestAnOptionalSinksRefusedLoginIsTriedAtOnceToo(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	spare := w.addSink("spare", false)
	spare.down, spare.refuses = true, true
	w.start()
	w.run(time.Minute)
	spare.down = false
	w.engine.Retry([]string{"spare"})
	w.run(time.Second)
	w.mustHold("value-1")
	w.mustBeSound()
}

func TestTheSinksOfASlotInBlackoutAreUrgent(t *testing.T) {
	for strategy, urgent := range map[moq.Strategy]bool{moq.Overlap: false, moq.InPlace: true} {
		w := newWorld(t, strategy, 1)
		w.start()
		w.run(time.Minute)
		w.mustHold("value-1")
		if got := w.sinks["sink0"].urgent; got != urgent {
			t.Errorf("%s: a required sink is urgent: %t", strategy, got)
		}
	}
}

func TestAnOptionalSinkIsNotUrgentInABlackout(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	spare := w.addSink("spare", false)
	w.during(rotateCall, func() { w.sinks["sink0"].down = true })
	w.start()
	w.run(time.Minute)
	if spare.content != "value-1" || w.status().BlackoutSince.IsZero() {
		t.Fatalf("the optional sink was not served in the blackout: %s", w.describe())
	}
	if spare.urgent || !w.sinks["sink0"].urgent {
		t.Errorf("urgent: the optional sink %t, the required one %t", spare.urgent, w.sinks["sink0"].urgent)
	}
}

func TestALostRotateCallIsRememberedThoughTheNextIsRefused(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	w.start()
	w.run(24*time.Hour - time.Minute)
	calls := 0
	w.choose = func(c choice) int {
		if c.kind != rotateCall {
			return 0
		}
		switch calls++; calls {
		case 1:
			return c.mustFind("lost after")
		case 2:
			return c.mustFind("refused")
		}
		if a := w.disk.record().PendingMint; calls == 3 && a.LostAt.IsZero() {
			t.Errorf("the journal does not know that consumers may be locked out: %s", w.describe())
		}
		return 0
	}
	w.run(5 * time.Minute)
	if calls != 4 {
		t.Errorf("%d calls; want one that is lost, one that is refused, one that goes well, and one a quiet minute later", calls)
	}
	w.mustBeSound()
}
