package rotation

import (
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// What may become of the calls that the engine makes, in words: the world acts by these tables,
// the exploration chooses from them, and scripts are printed and read by them.

// callKind is a kind of call that the engine makes to the outside.
type callKind int

const (
	createCall callKind = iota
	rotateCall
	listCall
	revokeCall
	proveCall
	probeCall
	readCall
	writeCall
	saveCall
	orderCall // of what runs side by side: no call, but chosen like one
	clockCall // a moment at which somebody may set the wall clock: neither
	landCall  // a moment at which a former leader's call that is under way may be carried out: neither
	callKinds
)

// outcome is one thing that may become of a call.
type outcome struct {
	name     string
	done     bool          // the call is carried out
	twice    bool          // it is sent again on its way, and carried out again
	late     bool          // it is carried out a while later
	lags     bool          // and so do those that follow for a while: the list shows what there was
	portal   bool          // from now on a portal answers in Cloudflare's place; done: it lets calls through
	short    bool          // the token that comes lives for an hour
	otherID  bool          // its value claims another id
	answered bool          // it is known by the answer that calls reach Cloudflare
	readBack bool          // only a read-back finds it out: not possible without one
	stale    bool          // it shows for a while what was there before: possible of a store that may answer so, once a run
	step     time.Duration // by how much the wall clock is set
	lands    bool          // another replica leads, and the call is carried out later
	still    time.Duration // another replica leads for so long, while this one stands still in the call
	class    fault.Class   // of the error
	reason   fault.Reason  // of the error; "": there is none
}

// callTable is a kind of call and its outcomes. The first of them is that it goes well.
type callTable struct {
	name     string
	traced   bool // also when it goes well: it changes which tokens are accepted
	outcomes []outcome
}

var mintOutcomes = []outcome{
	{name: "goes well", done: true, answered: true},
	{name: "lost before", class: fault.Ambiguous, reason: fault.Timeout},
	{name: "lost after", done: true, class: fault.Ambiguous, reason: fault.BadAnswer},
	{name: "refused", answered: true, class: fault.Permanent, reason: fault.Forbidden},
	{name: "rate limited", class: fault.Retry, reason: fault.RateLimited},
	{name: "lost and carried out late", late: true, class: fault.Ambiguous, reason: fault.Timeout},
	{name: "stopped by a portal", portal: true},
	{name: "answered by a portal", portal: true, done: true},
}

// createOutcomes are of a mint whose token can be told by more than its value. What is odd with it is so once a run.
var createOutcomes = append(slices.Clone(mintOutcomes),
	outcome{name: "lost and carried out twice", done: true, twice: true, class: fault.Ambiguous, reason: fault.Timeout},
	outcome{name: "brings a short-lived token", done: true, answered: true, short: true},
	outcome{name: "brings a value that claims another id", done: true, answered: true, otherID: true},
)

func (o *outcome) isOdd() bool { return o.short || o.otherID }

var readOutcomes = []outcome{
	{name: "goes well", done: true},
	{name: "unreachable", class: fault.Retry, reason: fault.Unreachable},
	{name: "shows the former content", done: true, stale: true},
}

var calls = [callKinds]callTable{
	createCall: {name: "create", traced: true, outcomes: createOutcomes},
	rotateCall: {name: "rotate", traced: true, outcomes: mintOutcomes},
	listCall: {name: "list", outcomes: []outcome{
		{name: "goes well", done: true, answered: true},
		{name: "server error", class: fault.Retry, reason: fault.ServerError},
		{name: "lags", done: true, answered: true, lags: true},
	}},
	revokeCall: {name: "revoke", traced: true, outcomes: []outcome{
		{name: "goes well", done: true, answered: true},
		{name: "lost before", class: fault.Retry, reason: fault.ServerError},
		{name: "lost after", done: true, class: fault.Retry, reason: fault.ServerError},
	}},
	proveCall: {name: "prove", outcomes: []outcome{
		{name: "goes well", answered: true},
		{name: "stopped by a portal", portal: true},
		{name: "no such relay", class: fault.Permanent, reason: fault.NotFound},
	}},
	probeCall: {name: "probe", outcomes: readOutcomes},
	readCall:  {name: "read", outcomes: readOutcomes},
	writeCall: {name: "write", outcomes: []outcome{
		{name: "goes well", done: true},
		{name: "lost before", class: fault.Retry, reason: fault.Unreachable},
		{name: "lost after", done: true, class: fault.Retry, reason: fault.Unreachable},
		{name: "acknowledged and not kept", readBack: true},
	}},
	saveCall: {name: "save", outcomes: []outcome{
		{name: "goes well", done: true},
		{name: "disk full", class: fault.Retry, reason: fault.Storage},
	}},
	orderCall: {name: "order", outcomes: []outcome{ // of those that have not run yet
		{name: "first goes first"}, {name: "second goes first"}, {name: "third goes first"},
		{name: "fourth goes first"}, {name: "fifth goes first"}, {name: "sixth goes first"},
	}},
	clockCall: {name: "clock", outcomes: []outcome{
		{name: "runs on"},
		{name: "steps three hours ahead", step: 3 * time.Hour},
		{name: "steps 400 days ahead", step: 400 * 24 * time.Hour},
		{name: "steps an hour back", step: -time.Hour},
	}},
	landCall: {name: "landing", outcomes: []outcome{
		{name: "is under way"},
		{name: "is carried out"},
	}},
}

// deaths are what may become of any call besides.
var deaths = []outcome{
	{name: "process dies before"},
	{name: "process dies after", done: true},
}

// turns are the ways in which another replica may come to lead at a call that changes something, besides.
var turns = []outcome{
	{name: "another leads before"},
	{name: "another leads and it is carried out later", lands: true},
	{name: "another leads for 5 s and it goes on", still: 5 * time.Second},
	{name: "another leads for 40 s and it goes on", still: 40 * time.Second},
}

// turnsAt are those of a kind of call: where nothing is changed, it matters only what the former leader does next.
func turnsAt(k callKind) []outcome {
	switch k {
	case createCall, rotateCall, revokeCall, writeCall, saveCall:
		return turns
	case orderCall, clockCall, landCall:
		return nil
	}
	return turns[len(turns)-1:]
}

func (k callKind) String() string { return calls[k].name }

// kindNamed returns the kind of call that has a name.
func kindNamed(name string) (callKind, bool) {
	k := slices.IndexFunc(calls[:], func(t callTable) bool { return t.name == name })
	return callKind(k), k >= 0
}

func (o *outcome) fails() bool { return o.reason != "" }

// error is what the engine is told; nil when nothing failed. A limit asks for a long wait.
func (o *outcome) error(op string) error {
	switch {
	case !o.fails():
		return nil
	case o.reason == fault.RateLimited:
		return greedy(fault.Newf(o.class, o.reason, op, "", "%s", o.name))
	}
	return fault.Newf(o.class, o.reason, op, "", "%s", o.name)
}

// choice is a call, where the course of a run divides.
type choice struct {
	kind   callKind
	number int // of the calls of its kind, from 1
	lives  int // how many outcomes of its table are possible
	deaths int // how many deaths are possible
	turns  int // how many ways are for another replica to lead
	taken  int // 0: it goes well
}

// options is among how much is chosen.
func (c choice) options() int { return c.lives + c.deaths + c.turns }

// option returns the ith outcome that is possible.
func (c choice) option(i int) *outcome {
	switch {
	case i >= c.lives+c.deaths:
		return &turnsAt(c.kind)[i-c.lives-c.deaths]
	case i >= c.lives:
		return &deaths[i-c.lives]
	}
	return &calls[c.kind].outcomes[i]
}

// find returns which option has a name.
func (c choice) find(name string) (int, bool) {
	for i := range c.options() {
		if c.option(i).name == name {
			return i, true
		}
	}
	return 0, false
}

// mustFind returns which option has a name; it panics when none has.
func (c choice) mustFind(name string) int {
	i, ok := c.find(name)
	if !ok {
		panic(fmt.Sprintf("%s #%d has no outcome %q", c.kind, c.number, name))
	}
	return i
}

// alternatives names what else than going well is possible.
func (c choice) alternatives() []string {
	var out []string
	for i := 1; i < c.options(); i++ {
		out = append(out, c.option(i).name)
	}
	return out
}

// everyChoice is a call of a kind of which all is possible that is possible of any.
func everyChoice(k callKind) choice {
	c := choice{kind: k, lives: len(calls[k].outcomes), deaths: len(deaths), turns: len(turnsAt(k))}
	if k == orderCall || k == clockCall || k == landCall {
		c.deaths = 0
	}
	return c
}

// madeCall is a call as the trace of a run shows it.
type madeCall struct {
	at time.Time
	choice
	of string // the sink
}

func (m madeCall) String() string {
	return fmt.Sprintf("%s %s: %s", m.at.Format("15:04:05.000"), m.name(), m.option(m.taken).name)
}

// name tells the call from all others of a run.
func (m madeCall) name() string {
	if m.of == "" {
		return fmt.Sprintf("%s #%d", m.kind, m.number)
	}
	return fmt.Sprintf("%s %s #%d", m.kind, m.of, m.number)
}
