package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/deploy"
	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// now is what the time is in a transcript; in returns an instant that long after it.
func now() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func in(d time.Duration) time.Time { return now().Add(d) }

const day = 24 * time.Hour

// someSlots are one that is well, one that fails and one in a blackout, in no order.
func someSlots() []slot.Status {
	return []slot.Status{
		{
			Slot: "live/subscribe", Relay: "live", Type: moq.Subscribe, Operations: moq.Subscribe.Operations(), Account: "main", Strategy: moq.Overlap, State: slot.StateIdle,
			TokenID: "11111111111111111111111111111111", LastRotation: in(-3 * time.Hour), NextRotation: in(21 * time.Hour), TokenExpires: in(29 * day),
			Sinks: []slot.TargetStatus{
				{Sink: "disk", Target: "/moq/live", Required: true, State: "ok"}, {Sink: "spare", Target: "moq/live", State: "pending", Error: "the store is sealed"},
			},
		},
		{
			Slot: "live/publish_subscribe", Relay: "live", Type: moq.PublishSubscribe, Operations: moq.PublishSubscribe.Operations(), Account: "main", Strategy: moq.Overlap,
			State: slot.StateFailing, TokenCreated: in(-49 * time.Hour), LastRotation: in(-26 * time.Hour), NextRotation: in(-2 * time.Hour), Overdue: true, OverdueSince: in(-2 * time.Hour), TokenExpires: in(-time.Minute),
			ConsecutiveFailures: 3, Failure: &slot.Failure{Count: 3, Stage: slot.StageDeliver, Message: "disk: no space left", Next: in(40 * time.Second)},
			NextAttempt: in(10 * time.Minute), WaitsFor: slot.WaitsForGrace, WaitsUntil: in(10 * time.Minute),
			Sinks: []slot.TargetStatus{
				{Sink: "disk", Required: true, State: "pending", Error: "no space left", Failed: true}, {Sink: "vault", Required: true, State: "pending", Error: "permission denied"},
			},
			Note: "a new target waits for the schedule",
		},
		{
			Slot: "backup/subscribe", Relay: "backup", Type: moq.Subscribe, Operations: moq.Subscribe.Operations(), Account: "main", Strategy: moq.InPlace, State: slot.StateBlackout,
			Manual: true, BlackoutSince: in(-90 * time.Second), Phase: slot.Minted,
			Sinks: []slot.TargetStatus{{Sink: "disk", Required: true, State: "pending"}},
		},
	}
}

func TestStatusShowsASlotALineAndBelowWhatIsWrong(t *testing.T) {
	record(t, "status.txt", &fakeDaemon{Slots: someSlots()}, func(tr *transcript) {
		tr.run("status")
		tr.run("status", "--check")
	})
	record(t, "status-well.txt", &fakeDaemon{Slots: someSlots()[:1]}, func(tr *transcript) {
		tr.run("status", "--check")
		tr.run("status", "-o", "json")
	})
	noted := &fakeDaemon{Slots: someSlots()[:1], Notes: []string{"account main: this machine's clock is 3 h ahead of Cloudflare's"}}
	record(t, "status-noted.txt", noted, func(tr *transcript) { tr.run("status", "--check") })
	led := &fakeDaemon{Slots: someSlots()[:1], Leader: &adminapi.Leader{Replica: "host-a:9476", Since: time.Date(1999, 12, 31, 22, 0, 0, 0, time.UTC)}}
	record(t, "status-led.txt", led, func(tr *transcript) { tr.run("status") })
}

// A token that has expired makes a slot overdue that has no schedule, and one whose next run is yet to come.
func TestStatusNamesEachSlotThatFailsItsCheckAsOverdue(t *testing.T) {
	manual, scheduled := someSlots()[0], someSlots()[0]
	manual.Slot, manual.Manual, manual.NextRotation = "live/publish", true, time.Time{}
	for _, s := range []*slot.Status{&manual, &scheduled} {
		s.Overdue, s.OverdueSince, s.TokenExpires, s.Sinks = true, in(-20*time.Minute), in(-20*time.Minute), nil
	}
	record(t, "status-overdue.txt", &fakeDaemon{Slots: []slot.Status{manual, scheduled}}, func(tr *transcript) { tr.run("status", "--check") })
}

func TestStatusReadyIsWhatTheProbeWouldBeTold(t *testing.T) {
	record(t, "status-ready.txt", &fakeDaemon{Slots: someSlots()}, func(tr *transcript) {
		tr.run("status", "--ready")
		tr.run("status", "--ready", "--check")
	})
	starting := &fakeDaemon{Fails: map[string]string{"/-/ready": "not ready: rotatord is starting"}}
	record(t, "status-not-ready.txt", starting, func(tr *transcript) { tr.run("status", "--ready") })
}

func TestStatusSaysOfATargetThatIsNotWellSinceWhenAndWhenItIsRepaired(t *testing.T) {
	missing := slot.TargetStatus{
		Sink: "disk", Target: "/moq/live", Required: true, State: slot.TargetMissing, Since: in(-20 * time.Minute),
		Repair: "at the next rotation, Sun 2000-01-02 04:00Z",
	}
	unusable := slot.TargetStatus{
		Sink: "spare", Target: "moq/live", State: slot.TargetUnusable, Since: in(-time.Hour), Error: "403: permission denied",
	}
	down := slot.TargetStatus{
		Sink: "vault", Target: "moq/live", Required: true, State: slot.TargetUnknown, Since: in(-time.Minute), Error: "no answer",
	}
	well := someSlots()[0]
	unwell := well
	well.Sinks, unwell.Sinks = []slot.TargetStatus{unusable, down}, []slot.TargetStatus{missing, unusable, down}
	for name, s := range map[string]slot.Status{"status-unhealthy.txt": unwell, "status-unhealthy-optional.txt": well} {
		record(t, name, &fakeDaemon{Slots: []slot.Status{s}}, func(tr *transcript) { tr.run("status", "--check") })
	}
}

func TestHistoryShowsWhatWasDoneByWhom(t *testing.T) {
	d := &fakeDaemon{Events: []slot.Event{
		{At: in(-time.Minute), Slot: "live/subscribe", Kind: slot.EventFailed, Stage: slot.StageMint, Detail: "401: 1000 Invalid API Token"},
		{
			At: in(-time.Hour), Slot: "live/subscribe", Kind: slot.EventRotated, Cause: slot.CauseRequested, By: "root (uid 0)",
			Took: 1234567 * time.Microsecond, TokenID: "11111111111111111111111111111111", Detail: "2 targets",
		},
	}}
	record(t, "history.txt", d, func(tr *transcript) {
		tr.run("history")
		tr.run("history", "live/subscribe", "-n", "2", "-o", "json")
		tr.run("history", "live", "backup")
		tr.say("asked: " + strings.Join(d.asked, "; "))
	})
}

// someTokens are one of each owner.
func someTokens() []adminapi.Token {
	return []adminapi.Token{
		{
			TokenID: "11111111111111111111111111111111", Operations: []string{"subscribe"}, Owner: adminapi.Ours, Slot: "live/subscribe",
			Created: in(-3 * time.Hour), Expires: in(29 * day), ServedBy: []string{"disk", "spare"},
		},
		{
			TokenID: "22222222222222222222222222222222", Operations: []string{"publish", "subscribe"}, Owner: adminapi.Ours, Slot: "live/publish_subscribe",
			Created: in(-5 * day), Expires: in(25 * day), Retire: in(6 * time.Hour),
		},
		{TokenID: "33333333333333333333333333333333", Operations: []string{"subscribe"}, Owner: adminapi.Former, Created: in(-80 * day), Prunable: true},
		{TokenID: "44444444444444444444444444444444", Operations: []string{"subscribe"}, Owner: adminapi.Former, Created: in(-80 * day), ServedBy: []string{"disk"}},
		{TokenID: "55555555555555555555555555555555", Operations: []string{"subscribe"}, Owner: adminapi.OtherInstance, Instance: "prod"},
		{TokenID: "66666666666666666666666666666666", Operations: []string{"subscribe"}, Owner: adminapi.Others, Label: "studio"},
	}
}

func TestTokensShowsWhoseEachIs(t *testing.T) {
	record(t, "tokens.txt", &fakeDaemon{Tokens: someTokens()}, func(tr *transcript) {
		tr.run("tokens", "live")
		tr.run("tokens")
	})
}

func TestPruneShowsFormerTokensAndThenWhatItRevoked(t *testing.T) { // the transcript is of no terminal
	all := someTokens()
	revoked := all[2]
	revoked.Revoked = true
	d := &fakeDaemon{Former: all[2:4], Pruned: []adminapi.Token{revoked, all[3]}}
	record(t, "prune.txt", d, func(tr *transcript) {
		tr.run("tokens", "prune", "live")
		tr.run("tokens", "prune", "live", "--yes")
		d.Former = all[3:4]
		tr.say("a sink holds what is left")
		tr.run("tokens", "prune", "live")
		d.Former = nil
		tr.say("nothing is left")
		tr.run("tokens", "prune", "live")
		tr.say("asked: " + strings.Join(d.asked, "; "))
	})
}

func TestPlanAsksADaemonOrForecasts(t *testing.T) {
	record(t, "plan.txt", &fakeDaemon{Runs: []adminapi.Run{
		{At: in(4 * time.Hour), Slot: "live/subscribe", Strategy: moq.Overlap, Account: "main"},
		{At: in(3*day + time.Hour), Slot: "backup/subscribe", Strategy: moq.InPlace, Account: "main"},
	}}, func(tr *transcript) {
		tr.run("plan")
		tr.run("plan", "--for", "soon")
	})
	record(t, "plan-cut.txt", &fakeDaemon{Runs: []adminapi.Run{
		{At: in(time.Minute), Slot: "live/subscribe", Strategy: moq.Overlap, Account: "main"},
		{At: in(2 * time.Minute), Slot: "live/subscribe", Strategy: moq.Overlap, Account: "main", MoreFollow: true},
		{At: in(4 * time.Hour), Slot: "backup/subscribe", Strategy: moq.InPlace, Account: "main"},
	}}, func(tr *transcript) {
		tr.run("plan")
		tr.run("plan", "-o", "json")
	})
	record(t, "plan-alone.txt", nil, func(tr *transcript) { tr.run("plan", "--for", "12h") })
}

func TestRotateFollowsTheRequestToItsEnd(t *testing.T) {
	d := &fakeDaemon{Slots: someSlots(), Tokens: someTokens()[:2]}
	verified := d.Slots[0]
	verified.LastRotation, verified.Requested, verified.TokenID = in(time.Second), time.Time{}, someTokens()[0].TokenID
	gaveUp := d.Slots[1]
	gaveUp.ConsecutiveFailures, gaveUp.Failure = 5, &slot.Failure{
		Count: 5, At: in(time.Hour), Stage: slot.StageDeliver, Message: "disk: no space left", Next: in(2 * time.Minute),
	}
	gaveUp.NextAttempt = gaveUp.Failure.Next
	d.After = map[string]slot.Status{"live/subscribe": verified, "live/publish_subscribe": gaveUp}
	record(t, "rotate.txt", d, func(tr *transcript) {
		tr.run("rotate", "live/subscribe")
		tr.run("rotate", "live", "--no-wait")
		tr.run("rotate", "live/subscribe", "--no-wait", "--compromised")
		tr.say("too many attempts fail")
		tr.run("rotate", "live/publish_subscribe")
		tr.say("several slots, each with an end of its own")
		tr.run("rotate", "live")
		d.Fails = map[string]string{"/api/v1/slots/live/publish_subscribe/rotate": "the journal refuses the slot's record"}
		tr.run("rotate", "--all", "--timeout", "0s")
		d.Fails = nil
		tr.say("a token of equal rights is left")
		d.Tokens = append(d.Tokens, someTokens()[5])
		tr.run("rotate", "live/subscribe", "--compromised")
		tr.run("rotate", "live/subscribe", "studio")
		tr.run("rotate")
		tr.run("rotate", "--all", "live")
		tr.say("the daemon refuses")
		d.Fails = map[string]string{"/api/v1/slots/live/subscribe/rotate": "the journal cannot be written (free some space)"}
		tr.run("rotate", "live/subscribe")
	})
}

func TestOfACompromisedInPlaceSlotStandInsAreNamedWhereTheyCanBeListed(t *testing.T) {
	own, others := someTokens()[0], someTokens()[5:]
	d := &fakeDaemon{Slots: someSlots()[2:], Tokens: append(others, own)}
	verified := d.Slots[0]
	verified.State, verified.BlackoutSince, verified.Phase = slot.StateIdle, time.Time{}, ""
	verified.LastRotation = in(time.Second)
	verified.Operations, verified.TokenID = moq.Subscribe.Operations(), own.TokenID
	d.After = map[string]slot.Status{verified.Slot: verified}
	record(t, "rotate-in-place.txt", d, func(tr *transcript) {
		tr.run("rotate", "backup", "--compromised")
		tr.say("lists do not know the slot's own token by the id that its value claims")
		d.Tokens = others
		tr.run("rotate", "backup", "--compromised")
		tr.say("the account has no lists")
		d.Fails = map[string]string{"/api/v1/tokens/backup": "the account does not offer this"}
		tr.run("rotate", "backup", "--compromised")
		tr.say("the value claims no id")
		verified.TokenID, d.Fails = "", nil
		d.After = map[string]slot.Status{verified.Slot: verified}
		tr.run("rotate", "backup", "--compromised")
	})
}

func TestReloadSaysWhatChangedWhatNeedsARestartOrWhatWasRefused(t *testing.T) {
	d := &fakeDaemon{}
	record(t, "reload.txt", d, func(tr *transcript) {
		tr.run("reload")
		many := make([]string, 25)
		for i := range many {
			many[i] = fmt.Sprintf("relay-%d/subscribe", i)
		}
		d.Reload = adminapi.ReloadResult{
			Status: "configuration reloaded",
			Slots:  slot.Changes{Added: many, Removed: []string{"old/subscribe"}, Changed: []slot.Change{{Name: "live/subscribe", Keys: []string{"schedule", "grace"}}}},
			Sinks:  slot.Changes{Changed: []slot.Change{{Name: "disk", Keys: []string{"mode"}}}}, Accounts: slot.Changes{Added: []string{"spare"}},
			Settings: []string{"log.level"}, NeedsRestart: []string{"server.listen"}, Warnings: []string{"open sink vault: no address is known"},
		}
		tr.run("reload")
		d.Reload.Slots = slot.Changes{Added: many[:1]}
		tr.run("reload", "-o", "json")
		tr.say("a file that is wrong")
		d.Fails = map[string]string{"/-/reload": "reload refused, the former configuration stays in force:\n" +
			"config.yaml:5:10: accounts.main.account_id: must be 32 hex digits\nconfig.yaml:7:10: sinks.disk.type: there is no type of sink called \"flie\" (did you mean file?)"}
		tr.run("reload")
		tr.run("reload", "-o", "json")
		tr.run("reload", "now")
		tr.run("--socket", tr.path("nobody.sock"), "reload")
		tr.say(d.whatWasAsked())
	})
}

// stuckDaemon takes connections, and answers nothing; it returns its socket's path.
func stuckDaemon(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestRotateDoesNotWaitForEverForAnAnswer(t *testing.T) {
	client := adminapi.NewClient(stuckDaemon(t))
	t.Cleanup(client.Close)
	a, f := &app{stdio: stdio{out: io.Discard}}, rotateFlags{answer: time.Millisecond}
	err := a.rotate(t.Context(), client, []string{"live"}, f)
	if err == nil || !strings.Contains(err.Error(), "no answer within 1ms") {
		t.Errorf("which slots there are: %v", err)
	}
	if asked, errs := a.ask(t.Context(), client, someSlots(), f); len(asked) > 0 || len(errs) != 1 {
		t.Errorf("of a daemon that is stuck, each slot is asked for: %v", errs)
	}
}

func TestReloadDoesNotWaitForEver(t *testing.T) {
	var errs bytes.Buffer
	args := []string{"--socket", stuckDaemon(t), "reload", "--timeout", "1ms"}
	code := execute(t.Context(), args, stdio{out: io.Discard, err: &errs}, daemon.Environment{}, testHangups)
	if code != exitFailed || !strings.Contains(errs.String(), "no answer within 1ms") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

func TestProgressSaysWhatIsWaitedFor(t *testing.T) {
	no := func(at time.Duration) *slot.Failure {
		return &slot.Failure{Stage: slot.StageMint, Message: "no", At: in(at), Since: in(at), Count: 1}
	}
	for want, s := range map[string]slot.Status{
		"minting":    {Requested: now(), Failure: no(-time.Second)},
		"delivering": {Requested: now(), Phase: slot.Minted},
		"waiting until relays know the new token":  {Requested: now(), Phase: slot.Minted, State: slot.StateSettling},
		"waiting until the old tokens are revoked": {},
		"it waits for the budget":                  {Requested: now(), Note: "it waits for the budget"},
		"failed at step mint: no; trying again":    {Requested: now(), Phase: slot.Minted, Failure: no(time.Second)},
	} {
		f := followed{asked: slot.Status{Requested: now()}}
		if got := f.progress(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCheckSaysThatAFileIsValidOrAllThatIsWrong(t *testing.T) {
	record(t, "check.txt", nil, func(tr *transcript) {
		tr.run("check")
		tr.say("one that does more than its own")
		tr.put("config.yaml", strings.Replace(goodConfig, "relays:\n  live: {", "relays:\n  live: {retire: matching, ", 1))
		tr.run("check")
		tr.say("one with a sink that nobody uses")
		tr.put("config.yaml", strings.Replace(goodConfig, "defaults:", "  spare: {type: file, path: DIR/spare}\ndefaults:", 1))
		tr.run("check", "-q")
		tr.say("one that is wrong, twice")
		tr.put("config.yaml", strings.NewReplacer("023e105f", "xyz", "type: file", "type: flie").Replace(goodConfig))
		tr.run("check")
		tr.run("-c", tr.path("absent.yaml"), "check")
	})
}

func TestACheckRepeatsWhatFailedAndSaysThatAllIsWellOnlyWithoutWarnings(t *testing.T) {
	failed := daemon.Verdict{Faults: []string{"relay live: 404: not found", "slot live/subscribe: no folder"}, Warnings: 3}
	for _, c := range []struct {
		verdict daemon.Verdict
		warned  int // before
		err     error
		want    string
	}{
		{daemon.Verdict{}, 0, nil, "\nall is well\n"},
		{daemon.Verdict{}, 1, nil, "\nno faults, 1 warning: see above\n"},
		{daemon.Verdict{Warnings: 2}, 1, nil, "\nno faults, 3 warnings: see above\n"},
		{failed, 0, failed.Err(), "\nfaults:\n  relay live: 404: not found\n  slot live/subscribe: no folder\n"},
		{daemon.Verdict{}, 0, context.Canceled, ""},
	} {
		var out bytes.Buffer
		a := &app{stdio: stdio{out: &out}}
		a.sumUp(c.verdict, c.warned, c.err)
		if out.String() != c.want {
			t.Errorf("%+v, warned of %d before: it says %q, want %q", c.verdict, c.warned, out.String(), c.want)
		}
	}
}

func TestAFindingIsPrintedBelowItsHeading(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdio: stdio{out: &out}}
	for _, level := range []daemon.Level{daemon.Heading, daemon.OK, daemon.Note, daemon.Warning, daemon.Failed} {
		a.printFinding(daemon.Finding{Level: level, Text: "text"})
	}
	a.printFinding(daemon.Finding{Level: daemon.OK, Text: dirty})
	want := "text\n  ok    text\n  note  text\n  warn  text\n  FAIL  text\n"
	if got := out.String(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 6 || strings.Contains(got, "\x1b") {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWithoutADaemonAVerbSaysWhereItLooked(t *testing.T) {
	record(t, "no-daemon.txt", nil, func(tr *transcript) {
		for _, verb := range [][]string{
			{"status"}, {"rotate", "live"}, {"history"}, {"tokens", "live"}, {"tokens", "prune", "live", "--yes"},
		} {
			tr.run(verb...)
		}
		tr.say("one that was killed has left its socket behind")
		l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: tr.path("admin.sock")})
		if err != nil {
			tr.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		_ = l.Close()
		tr.run("status")
		tr.say("what is there is no socket")
		tr.put("file", "")
		tr.run("--socket", tr.path("file"), "status")
		tr.run("--socket", tr.path(strings.Repeat("x", 120)), "status")
	})
}

// whatWasAsked returns what reached the daemon since the last time.
func (d *fakeDaemon) whatWasAsked() string {
	asked := strings.Join(d.asked, "; ")
	d.asked = nil
	return "asked: " + asked
}

func TestAFlagNamesTheSocketBeforeTheEnvironmentAndThatBeforeTheFile(t *testing.T) {
	d := &fakeDaemon{}
	record(t, "socket.txt", d, func(tr *transcript) {
		named := func(name string) string { return strings.Replace(goodConfig, "DIR/admin.sock", "DIR/"+name, 1) }
		tr.put("config.yaml", named("file.sock"))
		tr.say("the daemon is at admin.sock")
		tr.run("--socket", tr.path("admin.sock"), "status")
		tr.run("status", "--socket", tr.path("flag.sock"))
		tr.env = []string{"ROTATORD_SOCKET=" + tr.path("admin.sock")}
		tr.run("status")
		tr.env = []string{"ROTATORD_SOCKET=" + tr.path("variable.sock")}
		tr.run("status")
		tr.run("--socket", tr.path("flag.sock"), "status")
		tr.env = []string{"ROTATORD_SOCKET="}
		tr.run("status")
		tr.say("a variable names the configuration")
		tr.put("other.yaml", named("other.sock"))
		tr.env = []string{"ROTATORD_CONFIG=" + tr.path("other.yaml")}
		tr.runBare("status")
		tr.run("status")
		tr.runBare("check", "-q")
		tr.env = []string{"ROTATORD_CONFIG=" + tr.path("absent.yaml")}
		tr.runBare("check")
		tr.env = nil
		tr.run("--socket", "", "status")
		tr.run("--socket", tr.path("admin.sock"), "run")
		tr.say(d.whatWasAsked())
	})
}

func TestVerbsReachTheDaemonThoughTheConfigurationIsWrong(t *testing.T) {
	d := &fakeDaemon{Slots: someSlots()[:1], Tokens: someTokens()[:1]}
	record(t, "broken-config.txt", d, func(tr *transcript) {
		for _, c := range []struct{ name, text string }{
			{"a fault", strings.Replace(goodConfig, "defaults:", "defualts:", 1)},
			{"no YAML", strings.Replace(goodConfig, "\"0 4 * * *\"", "@daily", 1)},
		} {
			tr.put("config.yaml", c.text)
			tr.say(c.name)
			for _, verb := range [][]string{
				{"history"}, {"tokens", "live"}, {"tokens", "prune", "live", "--yes"}, {"rotate", "live", "--no-wait"}, {"plan"}, {"status"},
			} {
				tr.run(verb...)
			}
		}
		tr.say("with nobody there, plan has nothing to go by")
		tr.run("--socket", tr.path("nobody.sock"), "plan")
		tr.say(d.whatWasAsked())
	})
}

func TestTheDefaultSocketIsTriedWhereTheConfigurationDoesNotTell(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	for _, c := range []struct{ text, says string }{
		{"", file + ": no such file or directory"},
		{"relays: [\n", file + ":1:9: not valid YAML: the bracket that opens here is not closed"},
		{"relays: {}\n", file + " names none"},
	} {
		text, says := c.text, c.says
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, named := range []bool{true, false} {
			var errs bytes.Buffer
			a := &app{stdio: stdio{err: &errs}, config: file, named: named}
			got := a.address()
			if got.Path != "/run/rotatord/admin.sock" || got.Origin != "the default: "+says {
				t.Errorf("%q: %s", text, got)
			}
			if (got.Met != nil) != (named && !strings.HasSuffix(says, "names none")) || errs.String() != "" {
				t.Errorf("%q, named: %t: it says %q", text, named, errs.String())
			}
			for range 2 {
				if got.Met != nil {
					got.Met()
				}
			}
			if n := strings.Count(errs.String(), "asking the daemon at /run/rotatord/admin.sock, the default"); n != 1 && got.Met != nil {
				t.Errorf("%q: a daemon that answers is doubted %d times: %q", text, n, errs.String())
			}
		}
	}
}

func TestWrongUseIsToldWithTheRightOne(t *testing.T) {
	record(t, "usage.txt", nil, func(tr *transcript) {
		for _, args := range [][]string{
			{"statsu"}, {"frobnicate"}, {"--nonsense"}, {"status", "--chekc"}, {"status", "live"}, {"status", "-o", "yaml"},
			{"dev", "--strategy", "both"}, {"completion", "tcl"}, {"completion", "bash", "now"}, {"run", "now"},
			{"help", "statsu"}, {"help", "tokens", "statsu"}, {"tokens", ""}, {"tokens", "prune", ".."}, {"history", ""},
			{"history", "-n", "0"}, {"history", "-n", "1001"}, {"plan", "--for", "400d"},
		} {
			tr.run(args...)
		}
	})
}

func TestWhereNobodyWatchesAStartThatFailsIsEntriesOfTheLog(t *testing.T) {
	record(t, "failed-start.txt", nil, func(tr *transcript) {
		tr.say("wrong use")
		tr.run("run", "--onec")
		tr.say("no configuration")
		tr.runBare("-c", tr.path("absent.yaml"), "run")
		tr.say("faults in it")
		tr.put("config.yaml", strings.NewReplacer("defaults:", "defualts:", "instance: test", "instance: \"no name\"").Replace(goodConfig))
		tr.run("run")
		tr.run("run", "--once")
		tr.say("any other verb says them to people")
		tr.run("check")
	})
}

func TestVersionSaysWhichRotatordThisIs(t *testing.T) {
	var v versionInfo
	if err := json.Unmarshal(printed(t, "version", "-o", "json"), &v); err != nil || v != version() || v.GoVersion == "" || v.Version == "" {
		t.Errorf("%+v: %v", v, err)
	}
	for _, way := range []string{"version", "--version"} {
		table := strings.Fields(string(printed(t, way)))
		if want := []string{"VERSION", "REVISION", "GO", v.Version, v.Revision, v.GoVersion}; !slices.Equal(table, want) {
			t.Errorf("%s: %q, want %q", way, table, want)
		}
	}
}

func TestSchemaPrintsTheOneThatTheProgramCarries(t *testing.T) {
	if got := printed(t, "schema"); !bytes.Equal(got, deploy.Schema) || !json.Valid(got) {
		t.Errorf("%.100s …", got)
	}
}

// printed runs a verb that needs nothing, and returns what it prints.
func printed(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute(context.Background(), args, stdio{out: &out, err: &errs}, daemon.Environment{}, testHangups); code != exitDone || errs.Len() > 0 {
		t.Fatalf("%q: exit code %d: %s", args, code, errs.String())
	}
	return out.Bytes()
}
