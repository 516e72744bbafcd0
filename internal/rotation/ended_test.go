package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

func TestAValueThatHasEndedByCloudflaresTimeTakesThePlaceOfNoneThatWorks(t *testing.T) {
	w := newWorld(t, moq.Overlap, 2)
	w.start()
	w.run(time.Hour)
	w.step(-time.Hour)
	p := copyOf(w.plan)
	p.Schedule, p.Lifetime = nil, 3*time.Hour
	w.plan = p
	w.reconfigure()
	w.sinks["sink1"].down = false
	w.during(writeCall, func() { w.sinks["sink1"].down = true })
	w.ask(false)
	w.relay.limit = len(w.relay.tokens) // no newer one can be had
	w.run(3*time.Hour + time.Minute)
	w.sinks["sink1"].down = false
	w.run(20 * time.Minute)
	if got := w.sinks["sink1"].content; got != "value-1" {
		t.Errorf("sink1 holds %s in the place of a token that works for a month", got)
	}
	w.relay.limit = 0
	w.run(10 * time.Minute)
	if got := w.sinks["sink1"].content; got == "value-1" || !w.relay.accepts(got) {
		t.Errorf("with a place for a newer one sink1 holds %s", got)
	}
	w.mustBeSound()
}
