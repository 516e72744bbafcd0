package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const (
	longForm = 100             // kills
	patience = 6 * time.Minute // more than the longest wait between two attempts
)

// TestSoak kills rotatord again and again while everything around it fails. All
// the while no consumer of an overlap slot that reads its sink again within the
// grace holds a dead token, and every value in a sink is whole. Once the faults
// end, everything comes to rest by itself: valid, alike, no litter, no leak.
func TestSoak(t *testing.T) {
	t.Logf("-soak.kills=%d -soak.seed=%d", *kills, *seed)
	w := newWorld(t, fleet(*kills >= longForm))
	t.Cleanup(w.keepRecord)
	if *kills >= longForm {
		w.vault = vaulttest.Start(t, vaulttest.Persistent())
		w.Put("vault-token", w.vault.RootToken)
	}
	w.configure()
	r := rand.New(rand.NewPCG(*seed, 2))
	s := newStorm(w, r)
	o := w.watch()

	w.sim.Random(*seed, faults()...)
	s.rage(*kills)
	s.end(nil)
	w.sim.Random(0)
	s.calm()

	for _, f := range o.stop() {
		t.Error(f)
	}
	t.Logf("%d kills, %d reads, %d tokens held and tested, %d tested too late; %d tokens were handed out; troubles: %v",
		s.kills, o.reads.Load(), o.tested.Load(), o.late.Load(), len(w.given.signatures()), s.seen)
	t.Logf("%d tokens tested at places that are a slot's for a while; %d expired before they were renewed",
		o.elsewhere.Load(), o.expired.Load())
	t.Logf("%d times a consumer found a new token in the place of one that worked", o.followed.Load())
	if o.tested.Load() == 0 || o.followed.Load() == 0 {
		t.Error("no token was tested: the watch proves nothing")
	}
	w.checkRest()
	w.checkLeaks()
}

// fleet is the slots of a run: of both strategies, with every mixture of sinks.
func fleet(long bool) []slotSpec {
	overlap, inPlace := 5, 3
	mixtures := [][]string{{"disk"}, {"disk", "box"}, {"box", "spare?"}, {"disk", "aws"}}
	if long {
		overlap, inPlace = 10, 5
		mixtures = append(mixtures, []string{"disk", "vault"}, []string{"vault", "aws?"})
	}
	var out []slotSpec
	for i := range overlap + inPlace {
		for j, typ := range []moq.TokenType{moq.PublishSubscribe, moq.Subscribe} {
			s := slotSpec{
				relay: fmt.Sprintf("relay%02d", i), relayID: fmt.Sprintf("%032x", i+1), typ: typ,
				strategy: moq.Overlap, sinks: mixtures[(2*i+j)%len(mixtures)],
				every: time.Duration(1+(i+j)%3) * time.Second,
			}
			if i%5 == 0 { // their tokens are refused for 2 to 8 s
				s.every, s.grace, s.settle = 12*time.Second, 3*time.Second, 8500*time.Millisecond
			} else {
				s.grace, s.settle = s.every*6/10, s.every/5
			}
			if i == 1 || i == 2 || i >= overlap && i < overlap+2 {
				s.roams = true
			}
			if i >= overlap {
				s.strategy, s.every, s.grace, s.settle = moq.InPlace, time.Duration(1+(i+j)%3)*time.Second, 0, 0
			}
			out = append(out, s)
		}
	}
	exchange(out[2:4], out[4:6])
	exchange(out[2*overlap:2*overlap+2], out[2*overlap+2:2*overlap+4])
	return out
}

// rage kills rotatord n times, or as often as there is time for.
func (s *storm) rage(n int) {
	for i, began := 0, time.Now(); i < n && (*within == 0 || time.Since(began) < *within); i++ {
		if i == n/2 || i%100 == 99 {
			s.loseState(i%2 == 0)
		}
		s.stir()
		s.pass()
		d := s.start(s)
		s.latest = d
		life := s.life()
		s.note("life %d of %s begins", i, life)
		if s.r.IntN(2) == 0 {
			harness.Pause(s.Context(), life/2)
			s.stir()
			life /= 2
		}
		select {
		case <-d.Done():
			s.Errorf("life %d: rotatord ended by itself with code %d:\n%s", i, d.State().ExitCode(), s.logged(2000))
		case <-time.After(life):
		}
		d.Kill()
		s.kills++
		s.note("life %d was ended", i)
		if s.Failed() {
			return
		}
	}
}

// loseState takes rotatord's state away, or damages it and goes the documented
// way back: every slot rotates anew, and pruning ends what the lost journal knew.
func (s *storm) loseState(damaged bool) {
	s.end(nil)
	s.note("the state is lost")
	s.disturbed.Add(1)
	s.seen["the state is lost"]++
	if damaged {
		harness.Check(s, os.Truncate(s.state(), 3*4096))
		s.refused(s, []string{"run"}, s.state(), "damaged")
	}
	s.clearState()
	s.clearMoved()
	since := s.now()
	s.makeRoom()
	d := s.launch()
	s.until(patience, "every slot rotates again without the lost state", s.rotatedSince(since))
	harness.Pause(s.Context(), s.longestGrace())
	for _, relay := range s.overlapRelays() {
		harness.Eventually(s, patience, "no former token on "+relay, func() error { return s.prune(relay) })
	}
	d.Kill()
}

// makeRoom retires what no sink holds, before anything rotates. Tokens that were left to expire may fill a relay, and
// only the lost journal knew of them.
func (w *world) makeRoom() {
	w.manual = true
	w.configure()
	d := w.launch()
	harness.Pause(w.Context(), w.longestGrace())
	for _, relay := range w.overlapRelays() {
		harness.Eventually(w, patience, "room on "+relay, func() error {
			if o := w.run(w, "tokens", "prune", relay, "--yes"); o.Code != 0 || w.places(relay) < 4 {
				return fmt.Errorf("code %d, %d places\n%s%s", o.Code, w.places(relay), o.Out, o.Err)
			}
			return nil
		})
	}
	d.Kill()
	w.manual = false
	w.configure()
}

// places is how many tokens a relay still takes.
func (w *world) places(relay string) int {
	i := slices.IndexFunc(w.slots, func(s slotSpec) bool { return s.relay == relay })
	return moq.RelayPlaces - len(w.sim.Tokens(w.slots[i].relayID))
}

// clearState removes the database and its log; the identity stays.
func (w *world) clearState() {
	found, err := filepath.Glob(w.Path("state/state*"))
	harness.Check(w, err)
	for _, path := range found {
		harness.Check(w, os.Remove(path))
	}
}

// prune retires the former tokens of a relay, if all its calls succeed.
func (w *world) prune(relay string) error {
	if o := w.run(w, "tokens", "prune", relay, "--yes"); o.Code != 0 || !strings.Contains(o.Out, "no former token") {
		return fmt.Errorf("code %d\n%s%s", o.Code, o.Out, o.Err)
	}
	return nil
}

func (w *world) longestGrace() (longest time.Duration) {
	for _, s := range w.slots {
		longest = max(longest, s.grace)
	}
	return longest
}

func (w *world) overlapRelays() (names []string) {
	for _, s := range w.slots {
		if s.strategy == moq.Overlap && !slices.Contains(names, s.relay) {
			names = append(names, s.relay)
		}
	}
	return names
}

// life is how long rotatord lives this time: often it dies within its start.
func (s *storm) life() time.Duration {
	switch x := s.r.Float64(); {
	case x < .3:
		return time.Duration(s.r.IntN(150)) * time.Millisecond
	case x < .8:
		return time.Duration(150+s.r.IntN(750)) * time.Millisecond
	}
	return time.Duration(900+s.r.IntN(1600)) * time.Millisecond
}

// calm waits until everything has come to rest: every slot rotates again on its
// schedule, then the schedules end.
func (s *storm) calm() {
	since := s.now()
	d := s.launch()
	s.until(patience, "every slot rotates again", s.rotatedSince(since))
	s.Logf("every slot had rotated %s after the last trouble", s.now().Sub(since).Round(time.Second/10))
	if code := d.terminate(); code != 0 {
		s.Errorf("rotatord ended with code %d when told to stop", code)
	}
	s.manual = true
	s.configure()
	s.launch()
	s.until(patience, "every slot comes to rest", atRest)
	s.Logf("at rest %s after the last trouble", s.now().Sub(since).Round(time.Second/10))
}

// checkRest looks at what sinks and relays hold in the end.
func (w *world) checkRest() {
	all, err := w.statuses()
	harness.Check(w, err)
	expected := map[string]map[string]bool{} // token ids by relay
	for _, s := range w.slots {
		if expected[s.relayID] == nil {
			expected[s.relayID] = map[string]bool{}
		}
		if id := w.checkSlot(s, all[s.name()]); id != "" {
			expected[s.relayID][id] = true
		}
		for _, t := range all[s.name()].OldTokens {
			expected[s.relayID][t.TokenID] = true // left to expire: a place that was left may hold it
		}
	}
	for relayID, ids := range expected {
		w.checkRelay(relayID, ids)
	}
	for _, c := range w.sim.Calls() {
		if _, others := w.others[c.Token]; others && c.Op == cfsim.Revoke {
			w.Errorf("token %s of others was revoked at %s", c.Token, c.At)
		}
	}
	w.checkFolders()
}

// checkSlot returns the id of the token that every sink of the slot holds.
func (w *world) checkSlot(s slotSpec, st slot.Status) (id string) {
	for _, sink := range s.sinks {
		value, err := w.read(s, sink)
		if err != nil {
			w.Errorf("%s: sink %s: %v", s.name(), sink, err)
			continue
		}
		t, ok := w.given.of(value)
		switch {
		case !ok || !w.given.fits(value, s):
			w.Errorf("%s: sink %s holds %q, which is no token of the slot", s.name(), sink, value)
		case !w.sim.Accepts(s.relayID, value):
			w.Errorf("%s: sink %s holds token %s, which is dead", s.name(), sink, t.id)
		case id != "" && t.id != id:
			w.Errorf("%s: sink %s holds token %s, another one %s", s.name(), sink, t.id, id)
		case s.strategy == moq.Overlap && t.id != st.TokenID:
			w.Errorf("%s: sink %s holds token %s, but %s is said to be served", s.name(), sink, t.id, st.TokenID)
		}
		id = t.id
	}
	return id
}

// checkRelay compares a relay's tokens with those of its slots and of others.
func (w *world) checkRelay(relayID string, ours map[string]bool) {
	listed := map[string]bool{}
	for _, t := range w.sim.Tokens(relayID) {
		listed[t.ID] = true
		if _, others := w.others[t.ID]; !others && !ours[t.ID] {
			w.Errorf("relay %s: litter: token %s, label %q, created %s", relayID, t.ID, t.Label, t.Created)
		}
	}
	for id := range ours {
		if !listed[id] {
			w.Errorf("relay %s: token %s is served but not listed", relayID, id)
		}
	}
	for id, o := range w.others {
		if o.relayID == relayID && !o.rotates && !listed[id] {
			w.Errorf("relay %s: token %s of others is gone", relayID, id)
		}
	}
}

// sharedMarker is in each folder that replicas share.
const sharedMarker = ".rotatord-shared"

// checkFolders looks for files that are left over, but in folders that rotatord left with a place: it looks there no more.
func (w *world) checkFolders() {
	for _, pattern := range []string{"disk/*/.*", "disk/.*", "box/.*", "spare/.*", "state/*.new*", "state/.*"} {
		found, err := filepath.Glob(w.Path(pattern))
		harness.Check(w, err)
		for _, f := range found {
			if !strings.HasSuffix(filepath.Dir(f), moved) && !(w.shared && filepath.Base(f) == sharedMarker) {
				w.Errorf("left over: %s", f)
			}
		}
	}
}

// checkLeaks looks for every value that was ever handed out in all that rotatord
// wrote but the sinks. That it would be found is proved on the sinks.
func (w *world) checkLeaks() {
	signatures := w.given.signatures()
	if len(leaks(w, signatures, w.Path("disk"))) == 0 {
		w.Error("the search for leaks finds nothing even in a sink")
	}
	w.Put("history", w.run(w, "history", "-o", "json").Out)
	w.Put("status", w.run(w, "status", "-o", "json").Out)
	for _, place := range []string{"log", "state", "history", "status"} {
		for _, f := range leaks(w, signatures, w.Path(place)) {
			w.Errorf("a token's value is in %s", f)
		}
	}
}

// leaks returns the files below root that hold one of the values.
func leaks(t testing.TB, values []string, root string) (found []string) {
	const n = 24 // of each value, compared at every place
	heads := map[string]bool{}
	for _, v := range values {
		heads[v[:n]] = true
	}
	harness.Check(t, filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for i := 0; i+n <= len(b); i++ {
			if heads[string(b[i:i+n])] {
				found = append(found, path)
				break
			}
		}
		return err
	}))
	return found
}
