package daemon

import (
	"time"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/slot"
)

// statusesForMetrics visits every slot as the leader has journalled it. What a leader knows besides, such as what targets
// were seen to hold, is not told. It is for a standby's metrics alone: what its pages and its API are asked, the leader
// answers (web's answerOrForward).
func (r *replica) statusesForMetrics(yield func(*slot.Status) bool) {
	c := r.copy.Load()
	if c == nil {
		return
	}
	v := slot.View{Seen: &slot.Observation{}, Sinks: r.backends.Load().configured(), Times: slot.Times{Now: time.Now().Round(0)}}
	leading, _ := c.Term()
	v.ActiveSince = leading.Since // what came due before, the leader leaves out or has caught up
	v.Clock = NewSystemClock().Elapsed()
	v.Start = v.Clock
	for _, v.Plan = range r.fleet.Load().Plans() {
		if !describeFrom(c, &v, yield) {
			return
		}
	}
}

// describeFrom tells the status of v's slot by its record in a copy, and reports whether to go on. One that the leader has
// not journalled is told as if it were seen for the first time now.
func describeFrom(c *etcdjournal.Copy, v *slot.View, yield func(*slot.Status) bool) (goOn bool) {
	describe := func(record *slot.Record) {
		v.Record = record
		st := v.Status()
		goOn = yield(&st)
	}
	known := false
	c.Visit(&v.Plan.Key, func(record *slot.Record) {
		known = true
		describe(record)
	})
	if !known {
		r := slot.NewRecord(v.Plan, &v.Times)
		describe(&r)
	}
	return goOn
}

// configured has the sinks of the configuration.
func (b *backends) configured() map[string]bool {
	all := make(map[string]bool, len(b.sinks))
	for name := range b.sinks {
		all[name] = true
	}
	return all
}
