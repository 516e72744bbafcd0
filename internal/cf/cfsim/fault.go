package cfsim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is one way for a call to go wrong.
type Kind string

// The kinds of fault. "Lost" means that the connection breaks without an answer.
const (
	Refused      Kind = "refused"      // no connection; over a real socket: as LostBefore
	LostBefore   Kind = "lost before"  // lost, and not carried out
	LostAfter    Kind = "lost after"   // lost, but carried out
	LateCommit   Kind = "late commit"  // lost, and carried out only after Delay
	ErrorBefore  Kind = "error before" // 500 (or Status), and not carried out
	ErrorAfter   Kind = "error after"  // 500 (or Status), but carried out
	RateLimited  Kind = "rate limited" // 429, with Retry-After when Delay is given
	Garbage      Kind = "garbage"      // carried out, but answered with Body and Status (200)
	Truncated    Kind = "truncated"    // carried out; half of the answer arrives
	Unsuccessful Kind = "unsuccessful" // 200 with success:false; not carried out
	Slow         Kind = "slow"         // carried out at once, answered after Delay
	Instead      Kind = "instead"      // not carried out; answered with Body and Status
	PageBefore   Kind = "page before"  // not carried out: a proxy answers with a page of its own and Status (403)
	PageAfter    Kind = "page after"   // carried out, and yet the proxy answers
)

// Fault is one thing that goes wrong.
type Fault struct {
	Kind   Kind
	Delay  time.Duration
	Status int
	Body   string
}

// page is what a proxy, a filter or a portal says in place of Cloudflare.
const page = "<!DOCTYPE html><html><head><title>Blocked</title></head><body><h1>This page is not available</h1></body></html>"

// Chance is how probable a fault is, from 0 to 1, for each call about tokens.
type Chance struct {
	Fault
	P float64
}

type lateCommit struct {
	due    time.Time
	commit func(now time.Time)
}

// Next makes the next calls of this kind go wrong, one after the other. A Fault
// without a Kind lets a call through.
func (s *Sim) Next(op Op, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[op] = append(s.scripts[op], faults...)
}

// Random makes calls about tokens go wrong by chance, the same way for the same
// seed and order of calls. No chances end it.
func (s *Sim) Random(seed uint64, chances ...Chance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.random, s.chances = rand.New(rand.NewPCG(seed, 1)), chances
}

// nextFault decides what goes wrong with the present call.
func (s *Sim) nextFault(op Op) Fault {
	if script := s.scripts[op]; len(script) > 0 {
		s.scripts[op] = script[1:]
		return script[0]
	}
	if !slices.Contains([]Op{Create, List, Revoke, Rotate}, op) {
		return Fault{}
	}
	for _, c := range s.chances {
		if s.random.Float64() < c.P {
			return c.Fault
		}
	}
	return Fault{}
}

// commitLate carries out the late commits that are due, in order.
func (s *Sim) commitLate(now time.Time) {
	slices.SortStableFunc(s.late, func(a, b lateCommit) int { return a.due.Compare(b.due) })
	for len(s.late) > 0 && !s.late[0].due.After(now) {
		s.late[0].commit(s.late[0].due)
		s.late = s.late[1:]
	}
}
