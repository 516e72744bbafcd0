package rotation

import (
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// scenario is a story told with trouble; after it the world is sound again and
// the slot must come to rest.
type scenario struct {
	name     string
	strategy moq.Strategy
	sinks    int
	optional int
	standby  bool             // its sinks may once answer with what they held before
	long     bool             // its runs are many: one fault less, except in the soak
	timeless bool             // no answer of Cloudflare's tells the time: our clock has to do, and is right but for what the story tells
	replicas bool             // two take turns
	skew     [2]time.Duration // how wrong their wall clocks are
	plan     func(*slot.Plan)
	story    func(*world)
}

// unknownFor is how long relays refuse a new token.
const unknownFor = 5 * time.Second

// rotation is the plain story: one rotation with trouble from its start to the
// end of its grace.
func plainStory(w *world) {
	w.calmly(2 * time.Minute)
	w.run(26*time.Hour - w.elapsed())
}

func scenarios() []scenario {
	var out []scenario
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		for n := 1; n <= 3; n++ {
			out = append(out, scenario{name: fmt.Sprintf("%s/%d sinks", strategy, n), long: n > 2, strategy: strategy, sinks: n, story: plainStory})
		}
		out = append(out,
			scenario{name: string(strategy) + "/first rotation", strategy: strategy, sinks: 1, story: func(w *world) { w.run(2 * time.Hour) }},
			scenario{name: string(strategy) + "/optional sink", strategy: strategy, sinks: 1, optional: 1, story: plainStory},
			scenario{name: string(strategy) + "/unverified", strategy: strategy, sinks: 1, plan: func(p *slot.Plan) { p.Verify = false }, story: plainStory},
			scenario{name: string(strategy) + "/manual in a grace", strategy: strategy, sinks: 1, story: manualInGrace},
			scenario{name: string(strategy) + "/compromised in a grace", strategy: strategy, sinks: 2, story: compromisedInGrace},
			scenario{name: string(strategy) + "/silent sink", strategy: strategy, sinks: 2, story: silentSink},
			scenario{name: string(strategy) + "/compromised with a silent sink", long: true, strategy: strategy, sinks: 2, story: compromisedSilent},
			scenario{name: string(strategy) + "/changed target", strategy: strategy, sinks: 1, story: changedTarget},
			scenario{name: string(strategy) + "/sink gained and lost", long: true, strategy: strategy, sinks: 2, story: sinksChange},
			scenario{name: string(strategy) + "/path corrected in a delivery", strategy: strategy, sinks: 1, plan: shortLived, story: pathCorrected},
			scenario{name: string(strategy) + "/paths moved in a write", strategy: strategy, sinks: 1, story: movedInAWrite},
			scenario{name: string(strategy) + "/path changed and changed back", long: true, strategy: strategy, sinks: 1, story: movedAndBack},
			scenario{name: string(strategy) + "/reboot in a grace", strategy: strategy, sinks: 1, story: reboot},
			scenario{name: string(strategy) + "/reboot where nothing tells the time", long: true, strategy: strategy, sinks: 1, timeless: true, story: reboot},
			scenario{name: string(strategy) + "/clock set forward where nothing else tells the time", long: true, strategy: strategy, sinks: 1, timeless: true, story: clockForward},
			scenario{name: string(strategy) + "/clock set forward", strategy: strategy, sinks: 1, story: clockForward},
			scenario{name: string(strategy) + "/clock set back", strategy: strategy, sinks: 1, story: clockBack},
			scenario{name: string(strategy) + "/identity lost", long: true, strategy: strategy, sinks: 2, story: identityLoss},
			scenario{name: string(strategy) + "/journal restored", long: true, strategy: strategy, sinks: 1, story: restored},
			scenario{name: string(strategy) + "/journal lost", strategy: strategy, sinks: 1, story: lostState},
			scenario{name: string(strategy) + "/outage of a sink", long: true, strategy: strategy, sinks: 2, story: sinkOutage},
			scenario{name: string(strategy) + "/outage of the account", long: true, strategy: strategy, sinks: 1, story: accountOutage},
			scenario{name: string(strategy) + "/behind a portal", long: true, strategy: strategy, sinks: 1, story: behindAPortal(false)},
			scenario{name: string(strategy) + "/behind a portal that lets calls through", long: true, strategy: strategy, sinks: 1, story: behindAPortal(true)},
			scenario{name: string(strategy) + "/full disk", long: true, strategy: strategy, sinks: 1, story: fullDisk},
		)
	}
	return append(out,
		scenario{name: "overlap/store that may answer stale", standby: true, strategy: moq.Overlap, sinks: 1, story: plainStory},
		scenario{name: "in_place/store that may answer stale", standby: true, strategy: moq.InPlace, sinks: 1, story: plainStory},
		scenario{name: "overlap/matching", strategy: moq.Overlap, sinks: 1, plan: func(p *slot.Plan) { p.Matching = true }, story: plainStory},
		scenario{name: "overlap/matching beside a slot that left", strategy: moq.Overlap, sinks: 1, plan: func(p *slot.Plan) { p.Matching = true }, story: besideASlotThatLeft},
		scenario{name: "overlap/second installation", strategy: moq.Overlap, sinks: 1, story: secondInstallation},
		scenario{name: "overlap/matching beside a second installation", strategy: moq.Overlap, sinks: 1, plan: func(p *slot.Plan) { p.Matching = true }, story: secondInstallation},
		scenario{name: "overlap/instance renamed", strategy: moq.Overlap, sinks: 1, story: renamed},
		scenario{name: "in_place/journal restored, unverified", long: true, strategy: moq.InPlace, sinks: 1, plan: func(p *slot.Plan) { p.Verify = false }, story: restored},
		scenario{name: "in_place/journal restored, a sink of two wiped", long: true, strategy: moq.InPlace, sinks: 2, plan: func(p *slot.Plan) { p.Verify = false }, story: restoredAndWiped},
		scenario{name: "in_place/journal restored, all wiped", long: true, strategy: moq.InPlace, sinks: 1, story: restoredAndWiped},
		scenario{name: "overlap/matching beside a living namesake", strategy: moq.Overlap, sinks: 1, plan: func(p *slot.Plan) { p.Matching = true }, story: livingNamesake},
		scenario{name: "overlap/matching beside an unseen namesake", strategy: moq.Overlap, sinks: 1, plan: func(p *slot.Plan) { p.Matching = true }, story: unseenNamesake},
		scenario{name: "overlap/wiped while down", strategy: moq.Overlap, sinks: 1, story: wipedWhileDown},
		scenario{name: "overlap/sink gained beside three tokens", strategy: moq.Overlap, sinks: 1, story: gainedWhenFull},
		scenario{name: "overlap/sink gained in vain", strategy: moq.Overlap, sinks: 1, story: gainedInVain},
		scenario{name: "overlap/sink restored", long: true, strategy: moq.Overlap, sinks: 2, story: sinkRestored},
		scenario{name: "overlap/copied to a new sink", long: true, strategy: moq.Overlap, sinks: 1, plan: func(p *slot.Plan) { p.Verify = false }, story: copiedToNew},
		scenario{name: "overlap/revoked by another hand", strategy: moq.Overlap, sinks: 2, story: anotherHand},
		scenario{name: "overlap/sink dead for longer than a token lives", long: true, strategy: moq.Overlap, sinks: 2, story: deadBeside},
		scenario{
			name: "overlap/all wiped beside three tokens", long: true, strategy: moq.Overlap, sinks: 2,
			plan: func(p *slot.Plan) { p.Grace = 10 * time.Hour }, story: allWiped,
		},
		scenario{name: "overlap/compromised twice, a mint not journalled", long: true, strategy: moq.Overlap, sinks: 1, story: compromisedUnjournalled},
		scenario{name: "overlap/expiry in delivery", strategy: moq.Overlap, sinks: 2, story: expiryInDelivery},
		scenario{name: "overlap/replicas", replicas: true, strategy: moq.Overlap, sinks: 1, story: plainStory},
		scenario{name: "in_place/replicas", replicas: true, strategy: moq.InPlace, sinks: 1, story: plainStory},
		scenario{name: "overlap/replicas, two sinks", long: true, replicas: true, strategy: moq.Overlap, sinks: 2, story: plainStory},
		scenario{name: "in_place/replicas, two sinks", long: true, replicas: true, strategy: moq.InPlace, sinks: 2, story: plainStory},
		scenario{name: "overlap/replicas, manual in a grace", long: true, replicas: true, strategy: moq.Overlap, sinks: 1, story: manualInGrace},
		scenario{name: "overlap/replicas, compromised in a grace", long: true, replicas: true, strategy: moq.Overlap, sinks: 1, story: compromisedInGrace},
		scenario{name: "in_place/replicas, compromised", long: true, replicas: true, strategy: moq.InPlace, sinks: 1, story: compromisedInGrace},
		scenario{
			name: "overlap/replicas, one's clock ahead", long: true, replicas: true, skew: [2]time.Duration{0, 3 * time.Hour},
			strategy: moq.Overlap, sinks: 1, plan: hourly, story: handedOver,
		},
		scenario{
			name: "overlap/replicas, one's clock behind", long: true, replicas: true, skew: [2]time.Duration{0, -3 * time.Hour},
			strategy: moq.Overlap, sinks: 1, plan: hourly, story: handedOver,
		},
		scenario{
			name: "in_place/replicas, one's clock ahead", long: true, replicas: true, skew: [2]time.Duration{0, 3 * time.Hour},
			strategy: moq.InPlace, sinks: 1, plan: hourly, story: handedOver,
		},
		scenario{
			name: "overlap/replicas, unverified", long: true, replicas: true, strategy: moq.Overlap, sinks: 1,
			plan: func(p *slot.Plan) { p.Verify = false }, story: plainStory,
		},
		scenario{
			name: "overlap/replicas, compromised, unverified", long: true, replicas: true, strategy: moq.Overlap, sinks: 1,
			plan: func(p *slot.Plan) { p.Verify = false }, story: compromisedInGrace,
		},
		scenario{name: "in_place/journal restored, all wiped, the clock set right", long: true, strategy: moq.InPlace, sinks: 1, story: restoredUnderARightClock},
		scenario{
			name: "overlap/fourth mint cut off beside a silent sink", long: true, strategy: moq.Overlap, sinks: 2,
			plan: func(p *slot.Plan) { p.Grace = 10 * time.Hour }, story: fourthCutOff,
		},
	)
}

// hourly has a replica's turn last for several runs.
func hourly(p *slot.Plan) { p.Schedule, p.Grace = every(time.Hour), 10*time.Minute }

// handedOver: replicas take turns while all goes well, and once between two runs.
func handedOver(w *world) {
	w.calmly(2*time.Hour + 30*time.Minute)
	w.restart(func() {})
	w.calmly(25 * time.Minute)
	w.run(15 * time.Minute)
	w.calmly(50 * time.Minute)
	w.restart(func() {})
	w.run(time.Hour + 30*time.Minute)
}

// behindAPortal: when a rotation is due, something answers in Cloudflare's place.
func behindAPortal(forwards bool) func(*world) {
	return func(w *world) {
		w.calmly(24*time.Hour - time.Minute)
		w.relay.hide(forwards, portalFor)
		w.run(3 * time.Hour)
	}
}

func manualInGrace(w *world) {
	w.calmly(2 * time.Minute)
	w.calmly(24*time.Hour + 10*time.Minute - w.elapsed())
	w.ask(false)
	w.run(3 * time.Hour)
}

func compromisedInGrace(w *world) {
	w.calmly(24*time.Hour + 10*time.Minute)
	w.ask(true)
	w.run(3 * time.Hour)
}

// compromisedUnjournalled: the value that is to end a compromise goes out from memory alone, and somebody asks again
// before a token can have settled.
func compromisedUnjournalled(w *world) {
	w.calmly(24*time.Hour + 10*time.Minute)
	w.during(createCall, func() { w.disk.full = true })
	w.during(writeCall, func() { w.disk.full = false })
	w.ask(true)
	w.run(2 * time.Second)
	w.disk.full = false
	w.ask(true)
	w.run(10 * time.Minute)
}

// silence takes sink1 away at the next write and brings it back; most of the
// time between passes without other trouble.
func (w *world) silence(during func()) {
	w.calmly(24*time.Hour - time.Minute)
	w.during(writeCall, func() { w.sinks["sink1"].down = true })
	w.run(30 * time.Second)
	during()
	w.calmly(5 * time.Minute)
	w.run(time.Minute)
	w.sinks["sink1"].down = false
	w.run(10 * time.Minute)
	w.calmly(time.Hour)
	w.run(time.Hour)
}

func silentSink(w *world) { w.silence(func() {}) }

func compromisedSilent(w *world) { w.silence(func() { w.ask(true); w.run(30 * time.Second) }) }

func changedTarget(w *world) {
	w.calmly(10 * time.Hour)
	w.sinks["sink0"].replace("somebody else's")
	w.run(8 * time.Hour)
	w.calmly(26*time.Hour - w.elapsed())
	w.sinks["sink0"].replace("")
	w.run(8 * time.Hour)
}

// wipedWhileDown: the process dies in a delivery, and what it wrote is gone when it comes back.
func wipedWhileDown(w *world) {
	w.calmly(24*time.Hour - time.Minute)
	w.during(readCall, func() {
		w.sinks["sink0"].replace("")
		w.dead = true
	})
	w.run(4 * time.Hour)
}

// gainedWhenFull: a new sink waits for a place, since the slot has its three tokens.
func gainedWhenFull(w *world) {
	w.calmly(24*time.Hour + 10*time.Minute)
	w.ask(false)
	w.run(time.Minute)
	w.addSink("late", true)
	w.reconfigure()
	w.run(3 * time.Hour)
}

// gainedInVain: a new sink cannot be written, and leaves again. Nothing is told of it then.
func gainedInVain(w *world) {
	w.calmly(2 * time.Minute)
	before := w.plan
	w.addSink("typo", true).down = true
	w.reconfigure()
	w.run(5 * time.Minute)
	delete(w.sinks, "typo")
	w.plan, w.removed = before, true
	w.reconfigure()
	w.calmly(10 * time.Minute)
	w.mustTellNoFormerFailure()
	w.run(3 * time.Hour)
}

func sinksChange(w *world) {
	w.calmly(24*time.Hour - time.Minute)
	w.during(writeCall, func() {
		w.addSink("late", true)
		w.reconfigure()
	})
	w.run(3 * time.Hour)
	p := copyOf(w.plan)
	p.Targets = p.Targets[:1]
	w.plan = p
	for _, name := range []string{"sink1", "late"} {
		delete(w.sinks, name)
	}
	w.removed = true
	w.reconfigure()
	w.run(3 * time.Hour)
}

// copiedToNew: a target that is new and silent holds a copy of the former token.
func copiedToNew(w *world) {
	w.calmly(time.Hour)
	before := w.sinks["sink0"].content
	w.calmly(24*time.Hour + 10*time.Minute - w.elapsed())
	late := w.addSink("late", true)
	late.content, late.down = before, true
	w.reconfigure()
	w.run(2 * time.Hour)
	late.down = false
	w.run(2 * time.Hour)
}

func fullDisk(w *world) {
	w.calmly(24*time.Hour - time.Minute)
	w.during(createCall, func() { w.disk.full = true })
	w.during(rotateCall, func() { w.disk.full = true })
	w.run(time.Minute)
	w.calmly(5 * time.Minute)
	w.disk.full = false
	w.run(2 * time.Hour)
}

// sinkOutage: a sink turns everybody away for a while; a slot that it made wait is
// right soon after others find it well again.
func sinkOutage(w *world) {
	w.calmly(24*time.Hour - time.Minute)
	sink := w.sinks["sink1"]
	w.during(writeCall, func() { sink.down, sink.greedy = true, true })
	w.run(time.Minute)
	w.calmly(time.Minute)
	w.run(time.Minute)
	sink.down, sink.greedy = false, false
	w.othersFindWell(upstream{name: "sink1"})
}

// accountOutage: the same of Cloudflare.
func accountOutage(w *world) {
	w.calmly(24*time.Hour - time.Minute)
	w.relay.down = true
	w.run(2 * time.Minute)
	w.calmly(time.Minute)
	w.run(time.Minute)
	w.relay.down = false
	w.othersFindWell(upstream{account: true, name: testAccount})
}

// othersFindWell has calls of other slots go well, and the time pass that two retries are apart.
func (w *world) othersFindWell(p upstream) {
	for range 2 {
		_ = w.engine.outages.noteCallOutcome(upstream{account: p.account, name: p.name, writes: true}, w.engine.outages.elapsed(), nil)
		w.settle()
	}
	w.calmly(retryGap + time.Second)
	w.mustNotWait(p)
	w.run(2 * time.Hour)
}

// renamed: the process dies in a mint, or soon after it, and is started under another name.
func renamed(w *world) {
	w.calmly(24*time.Hour - time.Minute)
	w.during(createCall, func() { w.names = append(w.names, "renamed") })
	w.run(30 * time.Minute)
	w.restart(func() {})
	w.run(3 * time.Hour)
}

// deadBeside: a required sink is silent for longer than tokens live. The other is served all the while.
func deadBeside(w *world) {
	p := copyOf(w.plan)
	p.Schedule, p.Lifetime, p.Grace = nil, 3*time.Hour, 10*time.Minute
	w.plan = p
	w.reconfigure()
	w.calmly(time.Minute)
	w.ask(false) // of the first token's life nothing was known
	w.calmly(time.Hour)
	w.sinks["sink1"].down = true
	w.calmly(50 * time.Minute)
	for range 3 {
		w.run(20 * time.Minute) // a renewal comes, among other trouble
		for range 10 {
			w.calmly(10 * time.Minute)
			w.mustServeSoon("sink0")
		}
	}
	w.sinks["sink1"].down = false
	w.run(20 * time.Minute)
}

// allWiped: all targets are wiped while the slot has three tokens, whose graces are long.
func allWiped(w *world) {
	w.wipeBesideThree()
	w.run(2 * time.Hour)
	w.calmly(70 * time.Minute)
	if !w.hasNoRoom() {
		w.mustServeSoon("sink0")
	}
	w.run(time.Hour)
}

// wipeBesideThree has all targets lose what they hold while the slot has three tokens, or four with that of a lost mint.
func (w *world) wipeBesideThree() {
	w.calmly(24*time.Hour + 10*time.Minute)
	w.ask(false)
	w.calmly(20 * time.Minute)
	for _, s := range w.sinks {
		s.replace("")
	}
	w.hadFour = len(w.relay.own()) > slot.MaxTokens
}

// fourthCutOff: the process dies before the fourth token, which nobody was given, is journalled, and a target does not
// answer for a while.
func fourthCutOff(w *world) {
	w.wipeBesideThree()
	dies := func() {
		w.dead, w.disk.full, w.sinks["sink1"].down = true, true, true
		w.during(probeCall, func() { w.disk.full = false }) // of the next process
	}
	w.during(createCall, func() { w.during(saveCall, dies) })
	w.run(2 * time.Hour)
	w.during(createCall, nil)
	w.during(saveCall, nil)
	w.disk.full, w.sinks["sink1"].down = false, false
	w.calmly(70 * time.Minute)
	if !w.hasNoRoom() {
		w.mustServeSoon("sink0")
	}
	w.run(time.Hour)
}

// shortLived has what a target that left may hold expire soon.
func shortLived(p *slot.Plan) { p.Lifetime = 72 * time.Hour }

// anotherHand: the token on its way is revoked by somebody else meanwhile.
func anotherHand(w *world) {
	w.silence(func() {
		if !w.rec().Unfinished() {
			return // a clock that was set had it be on its way at another time
		}
		w.relay.tokens = slices.DeleteFunc(w.relay.tokens, func(t moq.Token) bool { return w.age(t.Value.Reveal()) == 0 })
	})
}

// besideASlotThatLeft: another slot of the relay, whose tokens may do the same, left the configuration; a
// client may still use its last one.
func besideASlotThatLeft(w *world) {
	id := moq.NewRotationID(w.now, "")
	w.relay.tokens = append(w.relay.tokens, moq.Token{
		ID: neighbourToken, Operations: moq.Subscribe.Operations(), Created: w.now, Expires: w.now.Add(oneYear), Label: moq.Label("test", id),
	})
	k := testKey
	k.Type = "viewer"
	w.disk.neighbour = &slot.Record{Key: k, Current: &slot.Token{
		ID: neighbourToken, RotationID: id, Created: slot.TimestampOf(w.now), Expires: slot.TimestampOf(w.now.Add(oneYear)),
	}}
	w.restart(func() {})
	plainStory(w)
}

func secondInstallation(w *world) {
	w.calmly(10 * time.Hour)
	w.relay.tokens = append(w.relay.tokens, moq.Token{
		ID: foreignToken[:31] + "e", Operations: moq.Subscribe.Operations(), Created: w.theirs(), Expires: w.theirs().Add(oneYear),
		Label: moq.Label("other", moq.NewRotationID(w.theirs(), "")),
	})
	w.run(16 * time.Hour)
}

// livingNamesake: another living installation that has our name mints a token.
func livingNamesake(w *world) {
	w.calmly(10 * time.Hour)
	w.relay.change(append(slices.Clip(w.relay.tokens), namesakeMints(w)))
	w.run(16 * time.Hour)
}

// unseenNamesake: another living installation that has our name mints a token before anything has told this process
// what time it is.
func unseenNamesake(w *world) {
	w.run(10 * time.Hour)
	w.relay.down = true
	w.restart(func() {})
	w.calmly(2 * time.Minute)
	w.relay.change(append(slices.Clip(w.relay.tokens), namesakeMints(w)))
	w.calmly(time.Minute)
	w.relay.down = false
	w.ask(false)
	w.run(3 * time.Hour)
}

func namesakeMints(w *world) moq.Token {
	return moq.Token{
		ID: namesakesToken, Operations: moq.Subscribe.Operations(), Created: w.theirs(), Expires: w.theirs().Add(oneYear),
		Label: moq.Label("test", moq.NewRotationID(w.theirs(), "")),
	}
}

// expiryInDelivery: a required sink is silent until the value on its way nears its expiry.
func expiryInDelivery(w *world) {
	p := copyOf(w.plan)
	p.Schedule, p.Lifetime, p.Grace = nil, 3*time.Hour, 10*time.Minute
	w.plan = p
	w.reconfigure()
	w.calmly(time.Hour)
	w.during(writeCall, func() { w.sinks["sink1"].down = true })
	w.ask(false)
	w.run(time.Minute)
	w.calmly(119 * time.Minute)
	w.run(2 * time.Minute)
	w.sinks["sink1"].down = false
	w.run(20 * time.Minute)
}

// reboot: the elapsed-time clock starts anew, and nothing compares with what was.
func reboot(w *world) {
	w.calmly(24*time.Hour + 10*time.Minute)
	w.restart(func() { w.boot = slot.Reading{Boot: "two", Elapsed: time.Second} })
	w.run(3 * time.Hour)
}

// clockForward: a wrong clock must not end a grace.
func clockForward(w *world) {
	w.calmly(24*time.Hour + 10*time.Minute)
	w.step(5 * time.Hour)
	w.run(3 * time.Hour)
}

// clockBack: rotations go on in order though the time repeats.
func clockBack(w *world) {
	w.calmly(24*time.Hour + 10*time.Minute)
	w.step(-2 * time.Hour)
	w.ask(false)
	w.run(6 * time.Hour)
}

// identityLoss: what was sealed with the old identity cannot be opened any more.
func identityLoss(w *world) {
	w.calmly(24*time.Hour - time.Minute)
	w.during(writeCall, func() { w.identityLost = true })
	w.run(time.Minute)
	w.restart(func() {})
	w.run(3 * time.Hour)
}

// restored: the state folder is put back as it was some rotations ago.
func restored(w *world) {
	w.calmly(time.Hour)
	w.during(writeCall, func() { w.backup = w.disk.saved }) // a value is on its way
	w.calmly(50 * time.Hour)
	w.restart(func() { w.disk.saved, w.forgetful = w.backup, true })
	w.run(3 * time.Hour)
}

// sinkRestored: a sink goes back to the former token while that is in its grace.
func sinkRestored(w *world) {
	w.calmly(time.Hour)
	before := w.sinks["sink0"].content
	w.calmly(24*time.Hour + 30*time.Minute - w.elapsed())
	w.sinks["sink0"].replace(before)
	w.run(10 * time.Hour)
}

// lostState: the journal starts from nothing beside sinks and a relay that are full.
func lostState(w *world) {
	w.calmly(25 * time.Hour)
	w.restart(func() {
		w.disk.saved, w.forgetful = nil, true
		p := copyOf(w.plan)
		for i := range p.Targets {
			p.Targets[i].Adopt = true
		}
		w.plan = p
	})
	w.run(3 * time.Hour)
}

// restart ends the process and starts it again.
func (w *world) restart(meanwhile func()) {
	w.dead = true
	meanwhile()
	w.settle()
}

// elapsed returns how long the world has been running.
func (w *world) elapsed() time.Duration { return w.passed }

// calmly lets time pass without any trouble.
func (w *world) calmly(d time.Duration) {
	was := w.sane
	w.sane = true
	w.run(d)
	w.sane = was
}

// during does something once, just before the next call of a kind.
func (w *world) during(kind callKind, do func()) { w.beforeNext[kind] = do }

func (w *world) ask(compromised bool) {
	w.compromised = w.compromised || compromised
	_, _ = w.engine.Rotate(w.t.Context(), "live", string(moq.Subscribe), "a test", compromised)
	w.settle()
}

func (w *world) reconfigure() {
	if !w.dead {
		w.configure()
	}
}
