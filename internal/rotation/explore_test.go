package rotation

import (
	"cmp"
	"flag"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// The exhaustive exploration of the heart. A scenario is run again and again;
// in each run there is a choice at every call the engine makes, where 0 is "it goes
// well". All runs with up to depth other choices (faults, deaths of the process,
// orders of sinks, events of the world) are made, and the oracle checks the promises
// at every call. Beyond that depth, random walks. What breaks a promise is told in
// words and can be run again by them (replay_test.go).

var (
	exploreDepth = flag.Int("explore.depth", 1, "how many faults, deaths and orders to combine exhaustively")
	exploreAll   = flag.Bool("explore.all", false, "explore the long scenarios as deep as the others")
	exploreWalks = flag.Int("explore.walks", 40, "random walks a scenario")
	exploreSeed  = flag.Uint64("explore.seed", 0, "seed of the random walks and of the waits after failures; 0: a new one")
	exploreOnly  = flag.String("explore.scenario", "", "only the scenario of this name")
	exploreWords = flag.String("explore.script", "", "only this run of the scenario, in the words of a report")
	exploreFloor = flag.Int("explore.floor", 0, "fail when fewer distinct states were covered")
)

// runResult is what became of one run of a scenario.
type runResult struct {
	choices []choice
	broken  []string
	trace   []madeCall
}

// maxCrashes is how often the process may die in one run.
const maxCrashes = 2

// run runs the scenario with a choice at each call.
func (s scenario) run(t testing.TB, seed uint64, choose func(choice) int, seen map[uint64]bool) runResult {
	w := newWorld(t, s.strategy, s.sinks)
	w.random = rand.New(rand.NewPCG(seed, 0))
	for i := range s.optional {
		w.addSink(fmt.Sprintf("optional%d", i), false)
	}
	p := copyOf(w.plan)
	if s.strategy == moq.Overlap {
		p.Settle, w.relay.fresh = unknownFor, unknownFor
	}
	if s.plan != nil {
		s.plan(p)
	}
	w.plan = p
	if s.standby {
		w.stale = 1
		for _, sink := range w.sinks {
			sink.standby = true
		}
	}
	var out runResult
	w.crashes, w.steps, w.lags = maxCrashes, clockSteps(), 1
	if s.timeless {
		w.timeless, w.steps = true, 0
	}
	if s.replicas {
		w.withReplicas(s.skew)
		w.steps = 0
	}
	if *exploreAll {
		w.lags = 3
	}
	w.choose = func(c choice) int {
		c.taken = choose(c)
		out.choices = append(out.choices, c)
		return c.taken
	}
	w.check = func(w *world) { seen[w.hash()] = true }
	w.start()
	s.story(w)
	w.endTrouble()
	w.atRest()
	out.broken, out.trace = w.broken, w.trace
	return out
}

// endTrouble ends all trouble and lets the slot come to rest, past the day for which
// lost mints are looked for, some rotations on, and outside a grace.
func (w *world) endTrouble() {
	w.sane, w.disk.full, w.relay.down = true, false, false
	clear(w.beforeNext[:])
	for _, s := range w.sinks {
		s.down, s.greedy = false, false
	}
	w.settle()
	w.setRight()
	w.run(2 * time.Minute)
	w.nobodyIsLockedOut()
	w.run(time.Hour)
	if r := w.rec(); len(r.Orphans) > 0 || r.Failure != nil || r.Unfinished() {
		w.run(30 * time.Hour)
	}
	// Out of the last grace; what is left to expire after a change of targets takes a month, and may end as a mint begins.
	for i := 0; i < 40*24*2 && (len(w.rec().Retiring) > 0 || w.rec().Unfinished()); i++ {
		w.run(30 * time.Minute)
	}
}

var hashSeed = maphash.MakeSeed()

// hash tells states apart by their shape: what is durable, what is accepted, what
// is served, without times and random ids. Values count by their age: 0 is the
// one minted last.
func (w *world) hash() uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	put := func(parts ...any) {
		for _, p := range parts {
			maphash.WriteComparable(&h, p)
		}
	}
	put(w.now.Sub(w.theirs()), w.told.counts)
	put(w.dead, w.crashes, w.plan.Strategy, len(w.plan.Targets), len(w.queue))
	for _, t := range w.relay.own() {
		put("accepted", w.age(t.Value.Reveal()))
	}
	put("in place", w.age(w.relay.inPlace), len(w.relay.late), w.truth() < w.relay.hidden, w.truth() < w.relay.lagging)
	for _, t := range w.plan.Targets {
		if s := w.sinks[t.Sink]; s != nil {
			put("served", t.Sink, w.age(s.content), s.down)
		}
	}
	if w.replicas != nil {
		put("replicas", w.machine, w.handovers, len(w.inFlight), w.isStale())
	}
	if r := w.disk.record(); r != nil {
		w.hashRecord(put, r)
	}
	return h.Sum64()
}

func (w *world) hashRecord(put func(...any), r *slot.Record) {
	if a := r.PendingMint; a != nil {
		put("attempt", a.Strategy, a.Cause, a.LostAt.IsZero())
	}
	if rot := r.Rotation; rot != nil {
		put("rotation", rot.Phase, rot.Cause, len(rot.Sealed) > 0, rot.LostAt.IsZero(), w.serial(rot.Token.ID))
		for _, t := range w.plan.Targets {
			rc := r.Receipts.At(t.Location)
			put(t.Sink, strings.Compare(rc.RotationID, rot.ID), strings.Compare(rc.MayHold, rot.ID))
		}
	}
	if r.Current != nil {
		put("serving", w.serial(r.Current.ID))
	}
	for _, t := range r.Retiring {
		put("old", w.serial(t.ID), t.Retire.IsZero(), t.Compromised)
	}
	put(len(r.Orphans), r.Request != nil, r.DriftPeriod.IsZero())
	if r.Failure != nil {
		put("failing", r.Failure.Stage, min(r.Failure.Count, 3))
	}
}

// age is how many values were minted after this one; -1 for what is no value.
func (w *world) age(value string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(value, "value-"))
	if err != nil {
		return -1
	}
	return w.relay.next - n
}

// serial is the age of a token id.
func (w *world) serial(id string) int {
	n, err := strconv.ParseInt(id, 16, 64)
	if err != nil {
		return -1
	}
	return w.relay.next - int(n)
}

// explorer makes all runs of a scenario with up to depth choices that are not 0.
type explorer struct {
	t     testing.TB
	name  string
	seed  uint64
	run   func(choose func(choice) int) runResult
	seen  map[uint64]bool // states
	depth int             // the first run's
	runs  int
	found bool
}

func newExplorer(t testing.TB, s scenario, seed uint64) *explorer {
	seen := map[uint64]bool{}
	run := func(choose func(choice) int) runResult { return s.run(t, seed, choose, seen) }
	return &explorer{t: t, name: s.name, seed: seed, run: run, seen: seen}
}

// explore makes the run whose first choices are given and whose others are 0, and those beyond it.
func (x *explorer) explore(first []int, depth int) {
	if x.found {
		return
	}
	x.runs++
	next := 0
	r := x.run(func(choice) int {
		next++
		if next <= len(first) {
			return first[next-1]
		}
		return 0
	})
	if len(r.broken) > 0 {
		x.found = true
		x.t.Error(x.report(r))
		return
	}
	if depth <= 0 {
		return
	}
	for i := len(first); i < len(r.choices); i++ {
		for c := 1; c < r.choices[i].options(); c++ {
			if rest, worth := x.beyond(r.choices[i], depth); worth {
				x.explore(append(append(slices.Clone(first), make([]int, i-len(first))...), c), rest)
			}
		}
	}
}

// clockSteps is how often the wall clock may be set in a run.
func clockSteps() int {
	if *exploreAll {
		return 3
	}
	return 1
}

// beyond returns how deep it is explored behind a choice that is not 0. There are many moments at which a clock may be
// set: but in the soak, all else goes well then.
func (x *explorer) beyond(c choice, depth int) (rest int, worth bool) {
	if c.kind == clockCall && !*exploreAll {
		return 0, depth == x.depth
	}
	return depth - 1, true
}

// walk makes random runs with many choices that are not 0.
func (x *explorer) walk(n int, rnd *rand.Rand) {
	for range n {
		if x.found {
			return
		}
		x.runs++
		r := x.run(atRandom(rnd))
		if len(r.broken) > 0 {
			x.found = true
			x.t.Error(x.report(x.shrink(r)))
		}
	}
}

// atRandom chooses for one walk.
func atRandom(rnd *rand.Rand) func(choice) int {
	rate := 2 + rnd.IntN(20)
	return func(c choice) int {
		if rnd.IntN(rate) == 0 {
			return rnd.IntN(c.options())
		}
		return 0
	}
}

func TestNoCombinationOfFaultsAndDeathsBreaksAPromise(t *testing.T) {
	seed := cmp.Or(*exploreSeed, rand.Uint64())
	t.Logf("random walks with -explore.seed=%d", seed)
	all, only := scenarios(), *exploreOnly
	if only != "" || *exploreWords != "" {
		s, err := scenarioNamed(all, only)
		if err != nil {
			t.Fatal(err)
		}
		if *exploreWords != "" {
			newExplorer(t, s, seed).replayWords(*exploreWords)
			return
		}
	}
	states := make(chan [2]int, len(all))
	t.Run("scenarios", func(t *testing.T) {
		for i, s := range all {
			if only != "" && s.name != only {
				continue
			}
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				x := newExplorer(t, s, seed)
				depth := *exploreDepth
				if s.long && !*exploreAll {
					depth--
				}
				x.depth = depth
				x.explore(nil, depth)
				x.walk(*exploreWalks, rand.New(rand.NewPCG(seed, uint64(i))))
				states <- [2]int{x.runs, len(x.seen)}
			})
		}
	})
	close(states)
	runs, distinct := 0, 0
	for s := range states {
		runs, distinct = runs+s[0], distinct+s[1]
	}
	t.Logf("explored %d runs, %d distinct states", runs, distinct)
	if only == "" && distinct < *exploreFloor {
		t.Errorf("only %d distinct states were covered, fewer than %d: what was explored before no longer is", distinct, *exploreFloor)
	}
}
