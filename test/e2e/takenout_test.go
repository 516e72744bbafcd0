package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// edit replaces a part of the configuration, which is there once.
func (w *world) edit(part, by string) {
	w.t.Helper()
	text := w.Read("config.yaml")
	if strings.Count(text, part) != 1 {
		w.t.Fatalf("not once %q in\n%s", part, text)
	}
	w.Put("config.yaml", strings.Replace(text, part, by, 1))
}

// isVerified reports whether a slot has rotated, and nothing is left to do for it.
func isVerified(s slot.Status) bool {
	return s.Failure == nil && s.Requested.IsZero() && s.Phase == "" && !s.LastRotation.IsZero()
}

// Somebody takes out the sink that a rotation hangs on, with its entry or without, and puts it back later.
func TestASinkThatIsTakenOutWhileItIsWrittenToIsWaitedForNoMore(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"overlap", "in_place"} {
		for _, entry := range []string{"", "with its entry "} {
			t.Run(strategy+", taken out "+entry, func(t *testing.T) {
				t.Parallel()
				w, s := newMuteWorld(t, strategy)
				w.edit("{type: aws_secrets_manager, timeout: 5m", "{type: aws_secrets_manager, timeout: 2s")
				before := w.Read("config.yaml")
				d := w.start()
				s.aws.leave(awsCall("CreateSecret"))
				d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
				s.aws.isAsked(t)

				w.edit("sinks: [vault, aws, disk]", "sinks: [vault, disk]")
				if entry != "" {
					_, rest, _ := strings.Cut(before, "  aws: ")
					line, _, _ := strings.Cut(rest, "\n")
					w.edit("  aws: "+line+"\n", "")
				}
				d.rotatord("reload").Expect(t, 0, "slots changed: live/subscribe (sinks)")
				d.untilSlot("live/subscribe", isVerified)
				first := d.served(0, "live/subscribe")

				s.aws.answer()
				w.Put("config.yaml", before)
				d.rotatord("reload").Expect(t, 0)
				if strategy == "in_place" {
					d.rotatord("status").Expect(t, 0, "a new target waits for the next scheduled rotation")
					d.rotatord("rotate", "live").Expect(t, 0)
				}
				d.untilSlot("live/subscribe", func(s slot.Status) bool { return isVerified(s) && s.Sinks[1].State == slot.TargetOK })
				if now := d.served(0, "live/subscribe"); now == first || now != readVault(t, s.realVault, "secret/data/moq/live") {
					t.Error("not every target has the newest token")
				}
			})
		}
	}
}

// A relay that leaves the configuration in mid-rotation mints nothing more, and what was begun comes to its end; back
// again, it goes on where it is.
func TestARelayThatIsTakenOutInMidRotationFinishesIt(t *testing.T) {
	t.Parallel()
	for phase, c := range map[slot.State]string{
		slot.StateSettling: "{schedule: manual, initial: schedule, settle: 10s, grace: 1s, sinks: [disk]}",
		slot.StateGrace:    "{schedule: manual, initial: schedule, grace: 5s, sinks: [disk]}",
	} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2)
			both := fmt.Sprintf(oneMore, harness.RelayID(0), harness.RelayID(1))
			w.configure(settings{Defaults: c, Relays: both})
			d := w.start()
			d.rotatord("rotate", "live").Expect(t, 0)
			d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.State == slot.StateIdle })
			d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
			s := d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.State == phase })
			if why := "waiting until relays know the new token: it is delivered at "; strings.Contains(s.Note, why) != (phase == slot.StateSettling) {
				t.Errorf("while it is %s its note is %q", phase, s.Note)
			}
			w.configure(settings{Defaults: c, Relays: fmt.Sprintf("{other: {id: %s, tokens: {subscribe: {}}}}", harness.RelayID(1))})
			d.reload()
			d.until(func() error {
				if own := w.ownTokens(); own != 1 {
					return fmt.Errorf("the relay holds %d tokens of ours", own)
				}
				if !w.sim.Accepts(harness.RelayID(0), w.token("live/subscribe")) {
					return errors.New("the target holds no token that is accepted")
				}
				return nil
			})
			served := w.token("live/subscribe")
			w.configure(settings{Defaults: c, Relays: both})
			d.rotatord("reload").Expect(t, 0, "slots added: live/subscribe")
			d.untilSlot("live/subscribe", func(s slot.Status) bool { return isVerified(s) && s.State == slot.StateIdle })
			if w.token("live/subscribe") != served {
				t.Error("it was rotated for having been away")
			}
		})
	}
}
