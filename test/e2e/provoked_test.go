package e2e

import (
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

func slotAlerts(j *job) { j.lockedOut("metrics: {per_slot: true}\n", " by slot") }

func fleetAlerts(j *job) { j.lockedOut("metrics: {per_slot: false}\n", " by account") }

// lockedOut has a store lock out a slot's consumers, the daemon die in that, and its API token be gone when it returns.
func (j *job) lockedOut(top, by string) {
	w := j.world(2)
	aws, sink := w.withAWS("")
	w.configure(settings{
		Top: top, Listen: j.listen(), Sinks: sink,
		Relays: fmt.Sprintf(`{live: {id: %s, schedule: "@every 2s", initial: schedule, grace: 300ms, lifetime: 20s, sinks: [disk], tokens: {subscribe: {}}},
  edge: {id: %s, strategy: in_place, schedule: manual, sinks: [aws], tokens: {subscribe: {}}}}`, harness.RelayID(0), harness.RelayID(1)),
	})
	d := w.start()
	d.rotatord("rotate", "edge").Expect(j.t, 0)
	d.served(0, "live/subscribe")
	refuseWrites(aws)
	d.rotatord("rotate", "--no-wait", "edge").Expect(j.t, 0)
	locked := "MoQConsumersLockedOut" + by
	j.fires(locked)
	d.Kill()
	w.sim.RemoveAPIToken(harness.APIToken)
	j.fires("MoQAbsent")
	j.fires(locked, "MoQAbsent")
	d = w.start()
	j.end("MoQAbsent")
	j.fires(locked) // the daemon is back, and it still lasts
	aws.Inject(nil)
	j.end(locked)

	unwell := []string{"MoQTokenExpiresSoon" + by, "MoQRotationOverdue" + by, "MoQRotationFailing" + by, "MoQCloudflareAccountDown"}
	j.fires(unwell...)
	w.sim.AddAPIToken(harness.APIToken, cfsim.Edit, harness.AccountID)
	d.rotatord("rotate", "live").Expect(j.t, 0)
	j.end(unwell...)
}

func sinkAlerts(j *job) {
	w := j.world(3)
	aws, sink := w.withAWS(", probe_interval: 1s")
	w.configure(settings{
		Listen: j.listen(), Sinks: sink, Disk: ", probe_interval: 1s",
		Relays: fmt.Sprintf(`{live: {id: %s, tokens: {subscribe: {}}}, edge: {id: %s, sinks: [aws], tokens: {subscribe: {}}}, old: {id: %s, grace: 1s, tokens: {subscribe: {}}}}`,
			harness.RelayID(0), harness.RelayID(1), harness.RelayID(2)),
	})
	d := w.start()
	d.rotatord("rotate", "--all").Expect(j.t, 0)
	w.api.breakMethod(http.MethodDelete)
	d.rotatord("rotate", "old").Expect(j.t, 0) // its former token is not revoked
	rotated := d.slot("live/subscribe").LastRotation
	w.putTarget("live/subscribe", "another writer's")
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.LastRotation.After(rotated) })
	d.served(0, "live/subscribe")
	j.fires("MoQSinkDrift") // for an hour, whatever comes after
	w.putTarget("live/subscribe", "another writer's, in the same period")
	refuseWrites(aws)
	d.rotatord("rotate", "--no-wait", "edge").Expect(j.t, 0)
	j.fires("MoQTargetUnhealthy", "MoQDeliveryPending")

	d.rotatord("rotate", "live").Expect(j.t, 0)
	aws.Inject(func(string, string) *awstest.Failure { return &awstest.Failure{Dropped: true} })
	j.fires("MoQSinkDown")
	j.end("MoQTargetUnhealthy")
	aws.Inject(nil)
	j.end("MoQSinkDown", "MoQDeliveryPending")
	j.fires("MoQRetirementPending")
	w.api.breakMethod("")
	j.end("MoQRetirementPending", "MoQSinkDrift")
}

// putTarget puts something else in the place of a file target.
func (w *world) putTarget(name, text string) {
	w.t.Helper()
	w.Put("tokens/"+name+".token", text)
}

func cloudflareAlerts(j *job) {
	w := j.world(1)
	w.sim.SetAPIToken(harness.APIToken, 0, "", time.Now().Add(time.Hour))
	w.sim.SetQuota(harness.APIToken, 10000, time.Hour)
	w.configure(settings{Listen: j.listen()})
	d := w.start()
	good := w.Read("config.yaml")
	w.Put("config.yaml", good+"nonsense: true\n")
	d.Signal(syscall.SIGHUP)
	w.sim.Spend(harness.APIToken, 9500)
	d.rotatord("rotate", "live").Expect(j.t, 0)
	j.fires("MoQAPITokenExpiresSoon", "MoQReloadFailed", "MoQBudgetShort")

	w.Put("config.yaml", good)
	d.Signal(syscall.SIGHUP)
	j.end("MoQReloadFailed")
	w.sim.SetQuota(harness.APIToken, 10000, time.Hour)
	w.sim.SetAPIToken(harness.APIToken, 0, "", time.Now().AddDate(1, 0, 0))
	d.stop()
	d = w.start() // asks how the API token stands
	d.rotatord("rotate", "live").Expect(j.t, 0)
	j.end("MoQAPITokenExpiresSoon", "MoQBudgetShort")
}

// Cloudflare answers something odd.
func answerAlerts(j *job) {
	w := j.world(1)
	w.api = serveCloudflare(j.t, claiming(w.sim, func(c map[string]any) { c["operations"] = []string{"publish"} }))
	w.configure(settings{Listen: j.listen()})
	d := w.start()
	d.rotatord("rotate", "live").Expect(j.t, 0)
	w.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.RateLimited, Delay: 30 * time.Second})
	d.rotatord("rotate", "--no-wait", "live").Expect(j.t, 0)
	j.fires("MoQTokenClaimMismatch", "MoQCloudflareAccountBlocked")
	j.end("MoQTokenClaimMismatch", "MoQCloudflareAccountBlocked")
}

func clockAlerts(j *job) {
	w, clock, cloudflares := newTimedWorld(j.t)
	w.configure(settings{Listen: j.listen()})
	d := w.start()
	d.rotatord("rotate", "live").Expect(j.t, 0)
	d.untilTimeIsKnown()
	const later = 2 * time.Minute
	clock.SetAhead(later)
	clock.Leap(later)
	cloudflares.setAhead(later)
	w.call(http.MethodPost, harness.RelayID(0)+"/tokens", `{"operations": ["subscribe"], "label": "rotatord-default-06h0hf40gsxekh7fpwvgkbq0n0"}`)
	namesakes := newest(w.sim.Tokens(harness.RelayID(0))).ID
	d.rotatord("tokens", "live").Expect(j.t, 0)
	clock.SetAhead(later + 3*time.Hour)
	j.fires("MoQNamesake", "MoQClockOff", "MoQClockSet")

	clock.SetAhead(later)
	d.rotatord("tokens", "prune", "live", "--token-id", namesakes, "--yes").Expect(j.t, 0)
	j.end("MoQNamesake", "MoQClockOff", "MoQClockSet")
}

func diskAlerts(j *job) {
	w := j.world(1)
	disk, err := harness.MountDisk(j.t, w.Path("state"), "64m")
	if err != nil {
		j.t.Fatalf("mount a small disk (run this test as root, for example in `unshare --user --map-root-user --mount`): %v", err)
	}
	w.configure(settings{Listen: j.listen()})
	d := w.start()
	d.rotatord("rotate", "live").Expect(j.t, 0)
	harness.Check(j.t, disk.Fill())
	j.firesWhile(func() { d.rotatord("rotate", "--no-wait", "live") }, "MoQJournalFailing", "MoQStateDiskFillsUp")
	harness.Check(j.t, disk.Free())
	j.end("MoQJournalFailing", "MoQStateDiskFillsUp")
}
