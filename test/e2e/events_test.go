package e2e

import (
	"fmt"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// events are what happens in the hour, one after the other. The last one ends the log.
func (h *hour) events() []func() {
	return []func(){
		h.anAccountIsGivenItsToken, h.slotsRotate, h.aNamesakeMints, h.theFileIsWrong, h.somebodyElseWrites,
		h.mintsFail, h.aValueLies, h.revocationsFail, h.aSinkDies, h.theJournalIsDeleted, h.somebodyGuesses, h.theClockWasSet,
		h.theLogEnds,
	}
}

func (h *hour) anAccountIsGivenItsToken() {
	h.t.Helper()
	h.rotatord("rotate", "--no-wait", "spare").Expect(h.t, 0)
	h.shows("Accounts down", "Failing", "Failed mints and revocations", "Most failed attempts", "Next attempts")
	h.sim.AddAPIToken(spareToken, cfsim.Edit, otherAccount)
	h.rotatord("rotate", "spare").Expect(h.t, 0)
	h.figures(map[string]float64{"Accounts down": 0, "Failing": 0})
}

func (h *hour) slotsRotate() {
	h.t.Helper()
	h.shows("Clock offset", "Rotations by result", "Schedule lag", "Duration of rotations", "Deliveries",
		"Requests by operation")
	h.figures(map[string]float64{
		"Slots": 5, "Instances up": 1, "Leaders": 1, "Sinks down": 0, "Locked out": 0, "Overdue": 0, "Unhealthy targets": 0,
		"Reloads refused": 0, "Journal errors": 0, "Namesakes' tokens": 0,
	})
}

// aNamesakeMints after a while, in which the machine was suspended.
func (h *hour) aNamesakeMints() {
	h.t.Helper()
	h.clock.SetAhead(-lateBy)
	h.clock.Leap(lateBy)
	h.cloudflares.setAhead(0)
	h.call(http.MethodPost, harness.RelayID(1)+"/tokens",
		`{"operations": ["subscribe"], "label": "rotatord-default-06h0hf40gsxekh7fpwvgkbq0n0"}`)
	h.rotatord("tokens", "still").Expect(h.t, 0)
	h.shows("Namesakes' tokens by account")
	h.figures(map[string]float64{"Namesakes' tokens": 1})
}

func (h *hour) theFileIsWrong() {
	h.t.Helper()
	good := h.Read("config.yaml")
	h.Put("config.yaml", good+"nonsense: true\n")
	h.Signal(syscall.SIGHUP)
	h.figures(map[string]float64{"Reloads refused": 1})
	h.Put("config.yaml", good)
	h.Signal(syscall.SIGHUP)
	h.figures(map[string]float64{"Reloads refused": 0})
}

// somebodyElseWrites deletes a target, and writes to it when it is back.
func (h *hour) somebodyElseWrites() {
	h.t.Helper()
	const file = "tokens/still/subscribe.token"
	h.served(1, "still/subscribe")
	harness.Check(h.t, os.Remove(h.Path(file)))
	h.shows("Drift")
	h.served(1, "still/subscribe")
	h.untilSlot("still/subscribe", func(s slot.Status) bool { return s.State == slot.StateIdle && isVerified(s) })
	h.Put(file, "another writer's")
	h.shows("Unhealthy targets by sink", "Unhealthy targets by slot")
	h.figures(map[string]float64{"Unhealthy targets": 1})
}

// mintsFail: one outright, and one is told to wait.
func (h *hour) mintsFail() {
	h.t.Helper()
	h.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.Instead, Status: http.StatusInternalServerError},
		cfsim.Fault{Kind: cfsim.RateLimited, Delay: 5 * time.Second})
	h.shows("Failed mints and revocations", "Failed attempts", "Blocked for", "Calls that wait")
	h.figures(map[string]float64{"Failing": 0})
}

func (h *hour) aValueLies() {
	h.t.Helper()
	h.lying.Store(true)
	h.shows("Claims that differ")
	h.lying.Store(false)
	h.figures(map[string]float64{"Failing": 0})
}

func (h *hour) revocationsFail() {
	h.t.Helper()
	h.world.api.breakMethod(http.MethodDelete)
	h.shows("Pending retirements", "Pending retirements by account", "Longest pending retirement")
	h.world.api.breakMethod("")
	h.figures(map[string]float64{"Pending retirements": 0})
}

// aSinkDies in the midst of a rotation in place, and somebody sets the clock meanwhile.
func (h *hour) aSinkDies() {
	h.t.Helper()
	h.untilServed("moq/edge/subscribe")
	refuseWrites(h.aws)
	h.rotatord("rotate", "--no-wait", "edge").Expect(h.t, 0)
	h.shows("Blackouts under way", "Slots in blackout", "Pending deliveries by sink", "Longest pending delivery",
		"Failed deliveries and looks", "Alerts that fire", "annotation Alerts")
	h.figures(map[string]float64{"Locked out": 1, "Pending deliveries": 2, "Overdue": 0})
	h.clock.SetAhead(0)
	h.clockSet = time.Now()
	h.shows("Longest overdue")
	h.figures(map[string]float64{"Overdue": 1})
	h.aws.Inject(func(string, string) *awstest.Failure { return &awstest.Failure{Dropped: true} })
	h.figures(map[string]float64{"Sinks down": 1})
	h.aws.Inject(nil)
	h.shows("Blackouts", "Duration of blackouts", "Spread of the blackouts' duration")
	h.figures(map[string]float64{"Locked out": 0, "Sinks down": 0, "Pending deliveries": 0, "Overdue": 0})
}

func (h *hour) untilServed(secret string) {
	h.t.Helper()
	h.until(func() error {
		if _, found := h.aws.Value(secret); !found {
			return fmt.Errorf("there is no secret %s", secret)
		}
		return nil
	})
}

func (h *hour) theJournalIsDeleted() {
	h.t.Helper()
	h.shell("rm state/*.log")
	h.shows("Journal errors", "Journal errors by instance")
	h.ready()
}

func (h *hour) somebodyGuesses() {
	h.t.Helper()
	guessPasswords(h.address(), 1)
	h.shows("Failed logins")
}

// theClockWasSet in an event before; rotatord looks every half minute.
func (h *hour) theClockWasSet() {
	h.t.Helper()
	h.since = h.clockSet
	h.shows("Steps of the clock")
}

func (h *hour) theLogEnds() {
	h.t.Helper()
	harness.Check(h.t, h.log.Close())
	h.shows("Log lines dropped")
}
