package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const twoRelays = "{%s: {id: %s, tokens: {subscribe: {}}}, %s: {id: %s, tokens: {subscribe: {}}}}"

func defaultsOf(strategy, more string) string {
	if strategy == "overlap" {
		more = "grace: 1h, " + more
	}
	return fmt.Sprintf("{schedule: manual, initial: schedule, strategy: %s, %s}", strategy, more)
}

func TestAPathCorrectedWhileItsDeliveryFailsIsServedTheValueAtHand(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"overlap", "in_place"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			aws, sink := w.withAWS("")
			to := func(path string) {
				w.configure(settings{Sinks: sink, Defaults: defaultsOf(strategy, "sinks: [{sink: aws, path: "+path+"}]")})
			}
			to("old")
			d := w.start()
			d.rotatord("rotate", "live").Expect(t, 0)
			aws.Inject(func(op, id string) *awstest.Failure {
				if id == "old" && op == "PutSecretValue" {
					return &awstest.Failure{Status: 500, Code: "InternalServiceError"}
				}
				return nil
			})
			d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
			d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Failure != nil && s.Phase == slot.Minted })
			minted := len(w.api.handedOut())
			to("new")
			d.reload()
			d.untilSlot("live/subscribe", func(s slot.Status) bool {
				return s.Failure == nil && s.Phase == "" && s.Sinks[0].Target == "new" && s.Sinks[0].State == "ok"
			})
			if n := len(w.api.handedOut()); n != minted {
				t.Errorf("%d more values were minted", n-minted)
			}
			d.rotatord("rotate", "live").Expect(t, 0)
		})
	}
}

// What failed at a path is told no longer once the path was changed back, though the slot has still to wait: here
// for a place at its relay.
func TestAFailureEndsWithItsCauseThoughTheSlotHasStillToWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	to := func(path string) {
		w.configure(settings{Defaults: defaultsOf("overlap", "sinks: [{sink: disk, path: "+w.Path(path)+"}]")})
	}
	to("good/token")
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	w.fill(harness.RelayID(0), 7)
	w.Put("bad", "a file where a folder should be")
	to("bad/token")
	d.reload()
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.failing("live/subscribe", w.Path("bad/token"), "not a directory")
	to("good/token")
	d.reload()
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.WaitsFor == slot.WaitsForRoom })
	d.says("a failure is over")
	d.predict(expectations{"consecutive_failures" + liveSlot: is(0), "slot_state" + liveSlot + " state=idle": is(1)})
	for _, args := range [][]string{{"status"}, {"rotate", "--timeout", "2s", "live"}} {
		r := d.rotatord(args...)
		if said := r.Out + r.Err; !strings.Contains(said, "the relay is full") || strings.Contains(said, "/bad/") || strings.Contains(said, "failed") {
			t.Errorf("%v says:\n%s", args, said)
		}
	}
	if code, body, err := d.get("/"); err != nil || strings.Contains(body, "/bad/") || !strings.Contains(body, "the relay is full") {
		t.Errorf("the page says: %d, %v\n%s", code, err, body)
	}
}

func TestRelaysThatChangeTheirNamesOrIDsGoOn(t *testing.T) {
	t.Parallel()
	for name, relays := range map[string]string{
		"they exchange names":   fmt.Sprintf(twoRelays, "other", harness.RelayID(0), "live", harness.RelayID(1)),
		"one is made anew":      fmt.Sprintf(twoRelays, "live", harness.RelayID(2), "other", harness.RelayID(1)),
		"another has its place": fmt.Sprintf(twoRelays, "live", harness.RelayID(1), "third", harness.RelayID(0)),
	} {
		for _, strategy := range []string{"overlap", "in_place"} {
			t.Run(name+" "+strategy, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 3)
				before := settings{
					Defaults: defaultsOf(strategy, "sinks: [disk]"),
					Relays:   fmt.Sprintf(twoRelays, "live", harness.RelayID(0), "other", harness.RelayID(1)),
				}
				w.configure(before)
				d := w.start()
				d.rotatord("rotate", "--all").Expect(t, 0)
				after := before
				after.Relays = relays
				w.configure(after)
				d.reload()
				d.rotatord("check", "--online").Expect(t, 0)
				d.rotatord("rotate", "--all").Expect(t, 0)
				for i := range 3 {
					for _, named := range []string{"live", "other", "third"} {
						if strings.Contains(relays, named+": {id: "+harness.RelayID(i)) {
							d.served(i, named+"/subscribe")
						}
					}
				}
			})
		}
	}
}

// An old copy of the state has a value on its way that is dead by now, and nothing is read back.
func TestARestoredStateWritesNoDeadValueThoughNothingIsReadBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	aws, sink := w.withAWS("")
	w.configure(settings{Sinks: sink, Defaults: defaultsOf("in_place", "verify: false, sinks: [aws]")})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	refuseWrites(aws)
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Failure != nil && s.Phase == slot.Minted })
	d.stop()
	harness.Check(t, os.CopyFS(w.Path("copy"), os.DirFS(w.Path("state"))))
	harness.Check(t, os.Chmod(w.Path("copy/identity.txt"), 0o600))
	aws.Inject(nil)
	d = w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	d.stop()
	harness.Check(t, os.RemoveAll(w.Path("state")))
	harness.Check(t, os.Rename(w.Path("copy"), w.Path("state")))
	rotations := w.sim.Counts()[cfsim.Rotate]
	d = w.start()
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Failure == nil && s.Phase == "" })
	if n := w.sim.Counts()[cfsim.Rotate]; n != rotations+1 {
		t.Errorf("%d rotations followed", n-rotations)
	}
	d.says("perhaps a newer one")
}
