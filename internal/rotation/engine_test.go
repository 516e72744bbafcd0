package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

func (w *world) mustHold(want string) {
	w.t.Helper()
	for _, t := range w.plan.Targets {
		if got := w.sinks[t.Sink].content; got != want {
			w.t.Fatalf("%s holds %q, want %q\n%s", t.Sink, got, want, w.describe())
		}
	}
}

func (w *world) mustBeSound() {
	w.t.Helper()
	for _, b := range w.broken {
		w.t.Error("broken promise", b)
	}
	if w.t.Failed() {
		w.t.Log(w.describe())
	}
}

func TestOverlapDeliversTheNewTokenAndRevokesTheOldAfterItsGrace(t *testing.T) {
	w := newWorld(t, moq.Overlap, 2)
	w.start()
	w.run(time.Minute)
	w.mustHold("value-1")

	w.run(24 * time.Hour)
	w.mustHold("value-2")
	if own := w.relay.own(); len(own) != 2 {
		t.Fatalf("in the grace the relay holds %d tokens of ours, want 2", len(own))
	}
	if got := w.status().State; got != StateGrace {
		t.Errorf("state is %s, want grace", got)
	}
	w.run(time.Hour)
	w.atRest()
	w.mustBeSound()
	if w.stats.success != 2 || w.stats.failure != 0 {
		t.Errorf("observer saw %+v", w.stats)
	}
}

func TestInPlaceDeliversTheNewToken(t *testing.T) {
	w := newWorld(t, moq.InPlace, 3)
	w.start()
	w.run(25 * time.Hour)
	w.mustHold("value-2")
	w.atRest()
	w.mustBeSound()
	if w.stats.blackouts != 2 {
		t.Errorf("%d blackouts were measured, want 2", w.stats.blackouts)
	}
}
