package workload

import (
	"cmp"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
)

// tolerated is for how long a slot may wait for its turn without anybody being told.
const tolerated = time.Minute

// longestBacklog goes through what the accounts' schedules ask for, in order, at the pace of their budget.
func (f *fleet) longestBacklog(accounts []string, p *cf.IdlePace) Backlog {
	var groups []group
	for _, g := range f.groups {
		if g.first.Schedule != nil && slices.Contains(accounts, g.first.Account) {
			groups = append(groups, g)
		}
	}
	worst := f.arrivalsOf(groups).longestWait(p)
	if worst.waited <= tolerated {
		return Backlog{}
	}
	return Backlog{At: f.now.Add(worst.began), Slots: worst.slots, Takes: worst.ended - worst.began}
}

// arrivals are the calls of a fleet in the order in which they are made.
type arrivals struct{ mints, revocations line }

// arrival are slots that ask for the same at one time.
type arrival struct {
	at    time.Duration // after now
	slots int
	calls int // of each slot
}

// arrivalsOf lists when the groups' calls are made.
func (f *fleet) arrivalsOf(groups []group) *arrivals {
	each := max(fewInstants, maxArrivals/max(1, len(groups)))
	total := 0
	for _, g := range groups {
		total += 2 * min(each, len(f.instantsOf(g.first.Schedule).next))
	}
	pieces := min(maxPieces, max(1, maxArrivals/max(1, total)))
	out := &arrivals{}
	for _, g := range groups {
		next := f.instantsOf(g.first.Schedule).next
		for _, at := range next[:min(each, len(next))] {
			out.add(g, at, f.now, pieces)
		}
	}
	for _, l := range []line{out.mints, out.revocations} {
		slices.SortFunc(l, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	}
	return out
}

// add adds what a group asks for at one of its instants: mints, and the revocations a grace later. Over the jitter
// they come in equal pieces, from that of the group's first slot on: for a group of one it is exact.
func (a *arrivals) add(g group, instant time.Duration, now time.Time, pieces int) {
	var first, step time.Duration
	if pieces = min(pieces, g.slots); g.first.Delay == nil {
		pieces = 1
	} else {
		step = g.first.Jitter / time.Duration(pieces)
		first = g.first.Delay(now.Add(instant)) / time.Duration(pieces)
	}
	for i := range pieces {
		n := (i+1)*g.slots/pieces - i*g.slots/pieces
		at := instant + first + time.Duration(i)*step
		a.mints = append(a.mints, arrival{at, n, MintCalls(g.first.Policy)})
		if calls := RetireCalls(g.first.Policy); calls > 0 {
			a.revocations = append(a.revocations, arrival{at + g.first.Grace, n, calls})
		}
	}
}

// line are arrivals that wait behind each other.
type line []arrival

// hasArrived reports whether the first of the line has come by the time at.
func (l line) hasArrived(at time.Duration) bool { return len(l) > 0 && l[0].at <= at }

// take takes the first slot out, which must be there.
func (l *line) take() (first arrival) {
	first = (*l)[0]
	if (*l)[0].slots--; first.slots == 1 {
		*l = (*l)[1:]
	}
	return first
}

// wait are slots that wait for each other.
type wait struct {
	began, ended time.Duration
	slots        int
	waited       time.Duration // the most that one of them did
}

// longestWait lets all calls through, in the order in which the budget does, and returns those slots of which one
// waited longest. They begin with the first that came to a budget at rest, and end when it is at rest again.
func (a *arrivals) longestWait(p *cf.IdlePace) (worst wait) {
	var now wait
	passed, granted := 0, 0
	for anew := true; len(a.mints) > 0 && granted < maxGranted; granted++ {
		came := a.mints[0].at
		if a.revocations.hasArrived(came) {
			came = a.revocations[0].at
		}
		turn := p.Earliest(came)
		anew = anew || p.IsRested(came)
		revocation := a.revocations.hasArrived(turn)
		if revocation && (passed >= cf.RevocationPatience || !a.mints.hasArrived(turn)) {
			p.Grant(a.revocations.take().at)
			passed = 0
			continue
		}
		if revocation {
			passed++
		}
		if anew {
			now, anew = wait{began: a.mints[0].at}, false
		}
		now.mint(a.mints.take(), p)
		if now.waited > worst.waited || now.began == worst.began {
			worst = now
		}
	}
	return worst
}

// mint lets the mint of one slot through.
func (w *wait) mint(a arrival, p *cf.IdlePace) {
	for range a.calls {
		w.ended = p.Grant(a.at)
	}
	w.slots++
	w.waited = max(w.waited, w.ended-a.at)
}
