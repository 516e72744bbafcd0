package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

// figures are how long it took from a strike to the next leader's first call of Cloudflare.
type figures map[string][]time.Duration

func (f figures) add(name string, d time.Duration) {
	f[name] = append(f[name], d.Round(time.Millisecond))
}

// String tells them, a line each.
func (f figures) String() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f)) {
		all := slices.Sorted(slices.Values(f[name]))
		fmt.Fprintf(&out, "\n%s: %d times, median %s, longest %s", name, len(all), all[len(all)/2], all[len(all)-1])
	}
	return out.String()
}

// strike has something happen to the leader, waits until another one works, or whoever it is, and mends it.
func (g *replicas) strike(s strike, f figures) {
	g.Helper()
	leader := g.leads()
	g.note("STRIKE %s (%s)", s.name, leader.name)
	at := time.Now()
	mend := s.hit(g, leader)
	if resigned := g.chronicle.lastResigned(); s.polite && resigned.After(at) {
		at = resigned
	}
	if s.anybody {
		harness.Pause(g.Context(), time.Duration(2+g.random.IntN(4))*time.Second)
		mend()
		g.works(g.leads(), time.Now())
		return
	}
	next, call := g.nextLeader(leader, at)
	g.note("%s leads, %s after", next.name, call.Sub(at))
	if s.figure {
		f.add(s.name, call.Sub(at))
	}
	mend()
	g.standsBy(leader)
	g.asked(next)
}

// nextLeader waits until another replica leads and has called Cloudflare, and returns when it did first.
func (g *replicas) nextLeader(former *replica, at time.Time) (next *replica, call time.Time) {
	g.Helper()
	harness.Eventually(g, time.Minute, "another leader that calls Cloudflare", func() (err error) {
		if next, err = g.elected(); err != nil {
			return err
		}
		if next == former {
			return fmt.Errorf("%s is the one that etcd has elected", former.name)
		}
		g.lives(next)
		var found bool
		if call, found = g.chronicle.firstCall(next.host.Address(), at, false); !found {
			return fmt.Errorf("%s has not called Cloudflare", next.name)
		}
		return nil
	})
	return next, call
}

// works waits until a leader changes something at Cloudflare.
func (g *replicas) works(leader *replica, after time.Time) {
	g.Helper()
	harness.Eventually(g, time.Minute, leader.name+" works", func() error {
		g.lives(leader)
		if _, found := g.chronicle.firstCall(leader.host.Address(), after, false); !found {
			return fmt.Errorf("it has not called Cloudflare")
		}
		return nil
	})
}
