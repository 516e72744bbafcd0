package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

func TestVerbsWithoutADaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	t.Run("nobody answers: exit code 3, and what to look at", func(t *testing.T) {
		for _, args := range [][]string{
			{"status"}, {"rotate", "live"}, {"rotate", "--all"}, {"history"}, {"tokens", "live"}, {"tokens", "prune", "live"},
		} {
			w.rotatord(args...).Expect(t, 3, "no daemon answers at "+w.Socket(), "is `rotatord run` up")
		}
	})
	t.Run("wrong use: exit code 2, and where help is", func(t *testing.T) {
		for _, c := range []struct {
			args []string
			says string
		}{
			{[]string{"status", "--chekc"}, "see `rotatord status --help`"},
			{[]string{"--nonsense"}, "see `rotatord --help`"},
			{[]string{"statsu"}, `there is no command "statsu" (did you mean status or state?); see ` + "`rotatord --help`"},
			{[]string{"status", "live"}, "see `rotatord status --help`"},
			{[]string{"rotate"}, "name the slots to rotate"},
			{[]string{"rotate", "--all", "live"}, "--all"},
			{[]string{"tokens"}, "it is `rotatord tokens RELAY"},
			{[]string{"status", "-o", "yaml"}, `-o takes table or json, not "yaml"`},
			{[]string{"plan", "--for", "soon"}, `--for takes a duration such as 12h or 7d, not "soon"`},
			{[]string{"dev", "--strategy", "both"}, `--strategy takes overlap or in_place, not "both"`},
			{[]string{"-c", w.Path("absent.yaml"), "run"}, "absent.yaml"},
		} {
			w.rotatord(c.args...).Expect(t, 2, c.says)
		}
	})
	t.Run("help is no failure", func(t *testing.T) {
		for _, args := range [][]string{{}, {"--help"}, {"rotate", "--help"}, {"tokens", "prune", "--help"}} {
			w.rotatord(args...).Expect(t, 0, "Usage:")
		}
	})
	t.Run("version", func(t *testing.T) {
		w.rotatord("version").Expect(t, 0, "VERSION", "REVISION", "go1.")
		var v struct {
			Version, Revision string
			GoVersion         string `json:"go_version"`
		}
		r := w.rotatord("version", "-o", "json").Expect(t, 0)
		if err := json.Unmarshal([]byte(r.Out), &v); err != nil || v.Version == "" || v.Revision == "" || v.GoVersion == "" {
			t.Errorf("%s: %v", r.Out, err)
		}
	})
	t.Run("schema is the committed one", func(t *testing.T) {
		want, err := os.ReadFile(filepath.Join("..", "..", "deploy", "config.schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		if got := w.rotatord("schema").Expect(t, 0).Out; got != string(want) {
			t.Error("deploy/config.schema.json is not what `rotatord schema` prints")
		}
	})
	t.Run("completion", func(t *testing.T) {
		for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
			w.rotatord("completion", shell).Expect(t, 0, "rotatord")
		}
		w.rotatord("completion", "tcl").Expect(t, 2)
	})
	t.Run("plan says that it is a forecast", func(t *testing.T) {
		w := newWorld(t, 1)
		w.configure(settings{Defaults: `{schedule: "0 4 * * *", sinks: [disk]}`})
		w.rotatord("plan", "--for", "2d").Expect(t, 0, "no daemon answers: forecast from the configuration alone", "04:00:00Z", "live/subscribe")
		var runs []slot.Run
		r := w.rotatord("plan", "--for", "2d", "-o", "json")
		if err := json.Unmarshal([]byte(r.Out), &runs); err != nil || len(runs) != 3 { // now, and two mornings
			t.Errorf("%d runs planned: %v\n%s", len(runs), err, r.Out)
		}
	})
}

// The image has no zone data but Go's own, which gives rules where a machine's has lists.
func TestZonesWhoseClocksChangeWithGosOwnData(t *testing.T) {
	t.Parallel()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 3)
	w.env = append(w.env, "ZONEINFO="+filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	var relays strings.Builder
	for n, zone := range []string{"Europe/Berlin", "America/New_York", "Africa/Cairo"} {
		fmt.Fprintf(&relays, "r%d: {id: %s, timezone: %s, tokens: {subscribe: {}}}, ", n, harness.RelayID(n), zone)
	}
	w.configure(settings{Defaults: `{schedule: "30 2 * * *", sinks: [disk]}`, Relays: "{" + relays.String() + "}"})
	w.rotatord("check").Expect(t, 0, "3 slots")
	w.rotatord("plan", "--for", "1d").Expect(t, 0, "r0/subscribe", "r1/subscribe", "r2/subscribe")
	d := w.start()
	d.rotatord("plan", "--for", "1d").Expect(t, 0, "r2/subscribe")
	d.reload()
}

func TestCheck(t *testing.T) {
	t.Parallel()
	t.Run("a good file", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		w.configure(settings{})
		w.rotatord("check").Expect(t, 0, "config.yaml is valid: 1 slot, 1 sink, 1 account")
	})
	t.Run("every fault of a bad one, with its place", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		w.Put("config.yaml", `accounts:
  main: {account_id: nonsense, api_token: {env: CLOUDFLARE_API_TOKEN}}
sinks:
  disk: {type: file, pth: /tmp/x}
defaults:
  schedul: "@daily"
  grace: 12 parsecs
relays:
  live: {id: a1b2c3d4e5f67890a1b2c3d4e5f67890, tokens: {subscribe: {sinks: [disc]}}}
  live: {id: a1b2c3d4e5f67890a1b2c3d4e5f67890, tokens: {subscribe: {}}}
`)
		w.rotatord("check").Expect(t, 2,
			"config.yaml:2:10: accounts.main.account_id", "config.yaml:4:22: sinks.disk.pth", `did you mean path?`,
			"config.yaml:6:3: defaults.schedul", `did you mean schedule?`, "config.yaml:7:3: defaults.grace",
			"config.yaml:9:77: relays.live.tokens.subscribe.sinks[0]", "config.yaml:10:3: relays.live: duplicate key",
			"\nrotatord: 6 faults in the configuration; nothing was done")
		w.rotatord("run").Expect(t, 2, "config.yaml:6:3: defaults.schedul")
	})
}

func TestCheckOnline(t *testing.T) {
	t.Parallel()
	online := func(t *testing.T, change func(w *world, s *settings)) (*world, harness.Result) {
		w := newWorld(t, 1)
		s := settings{}
		change(w, &s)
		w.configure(s)
		return w, w.rotatord("check", "--online")
	}
	t.Run("all is well", func(t *testing.T) {
		t.Parallel()
		w, r := online(t, func(*world, *settings) {})
		r.Expect(t, 0, "relay live", `it exists: "relay 0"`, "room: others hold 2 tokens", "up to 3 of the other 8 places",
			"overlap is offered", "can be written; it holds nothing yet", "all is well")
		if w.sim.Counts()[cfsim.Create]+w.sim.Counts()[cfsim.Rotate]+w.sim.Counts()[cfsim.Revoke] > 0 || w.token("live/subscribe") != "" {
			t.Error("it changed something")
		}
	})
	t.Run("the API token lacks everything", func(t *testing.T) {
		t.Parallel()
		_, r := online(t, func(w *world, _ *settings) { w.sim.AddAPIToken(harness.APIToken, cfsim.None, harness.AccountID) })
		r.Expect(t, 1, "FAIL", "10000", "MoQ Write (2f912625599b434a8df3e4e02d64c7b4)", "fault")
	})
	t.Run("the API token is unknown", func(t *testing.T) {
		t.Parallel()
		_, r := online(t, func(w *world, _ *settings) { w.sim.RemoveAPIToken(harness.APIToken) })
		r.Expect(t, 1, "FAIL", "1000", "Invalid API Token")
	})
	t.Run("there is no such relay", func(t *testing.T) {
		t.Parallel()
		_, r := online(t, func(w *world, _ *settings) { w.sim.RemoveRelay(harness.RelayID(0)) })
		r.Expect(t, 1, "FAIL", "21007", "relay not found")
	})
	t.Run("overlap is not offered", func(t *testing.T) {
		t.Parallel()
		_, r := online(t, func(w *world, _ *settings) { w.sim.AddAccount(harness.AccountID, cfsim.Gen1) })
		r.Expect(t, 1, "FAIL", "strategy: in_place")
	})
	for _, strategy := range []string{"overlap", "in_place"} {
		t.Run(strategy+" behind a proxy that answers itself", func(t *testing.T) {
			t.Parallel()
			_, r := online(t, func(w *world, s *settings) {
				s.Defaults = "{schedule: manual, strategy: " + strategy + ", sinks: [disk]}"
				w.sim.Next(cfsim.GetRelay, cfsim.Fault{Kind: cfsim.PageBefore, Status: 404})
			})
			r.Expect(t, 1, "FAIL", "404: an HTML page, as proxies send them (the answer is not what the Cloudflare API sends: is a proxy in between? check api_url)",
				"warn  whether "+strategy+" is offered cannot be told", "1 fault found")
			if strings.Contains(r.Out, "not offer") {
				t.Error("it says that something is not offered")
			}
		})
	}
	t.Run("in_place where overlap is to be had", func(t *testing.T) {
		t.Parallel()
		_, r := online(t, func(_ *world, s *settings) { s.Defaults = "{schedule: manual, strategy: in_place, sinks: [disk]}" })
		r.Expect(t, 0, "warn", "the account offers overlap, which has no blackout")
	})
	t.Run("the relay is full of others' tokens", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		w.configure(settings{})
		w.fill(harness.RelayID(0), 8)
		w.rotatord("check", "--online").Expect(t, 1, "no room: others hold 10 tokens and rotatord needs up to 3, but a relay holds 10")
	})
	t.Run("a target holds something else", func(t *testing.T) {
		t.Parallel()
		_, r := online(t, func(w *world, _ *settings) { w.Put("tokens/live/subscribe.token", "a secret of somebody's") })
		r.Expect(t, 0, "warn", "holds 22 bytes", "set `existing: adopt` on sink disk")
		if strings.Contains(r.Out+r.Err, "somebody's") {
			t.Error("it shows what the target holds")
		}
	})
	t.Run("with a daemon it knows what rotatord delivered", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		w.configure(settings{})
		w.start()
		w.rotatord("rotate", "live").Expect(t, 0)
		w.rotatord("check", "--online").Expect(t, 0, "it holds the token that rotatord delivered")
	})
	t.Run("with a daemon it knows that overlap has worked", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		w.configure(settings{})
		w.start()
		w.rotatord("rotate", "live").Expect(t, 0)
		w.sim.AddAccount(harness.AccountID, cfsim.Gen1)
		r := w.rotatord("check", "--online")
		r.Expect(t, 1, "FAIL  overlap: ", "overlap has worked for this slot, so its account offers it: check account_id")
		if strings.Contains(r.Out, "strategy: in_place") {
			t.Error("it says to give overlap up")
		}
	})
	t.Run("a sink that cannot be written", func(t *testing.T) {
		t.Parallel()
		_, r := online(t, func(w *world, _ *settings) { w.Put("tokens", "a file where a folder should be") })
		r.Expect(t, 1, "FAIL", "disk")
	})
}

func TestRunOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{Defaults: `{schedule: "0 4 * * *", grace: 1s, sinks: [disk]}`})
	t.Run("rotates what is due and exits", func(t *testing.T) {
		w.rotatord("run", "--once").Expect(t, 0)
		if !w.sim.Accepts(harness.RelayID(0), w.token("live/subscribe")) {
			t.Error("nothing was delivered")
		}
	})
	t.Run("has nothing to do the second time", func(t *testing.T) {
		before := w.token("live/subscribe")
		w.rotatord("run", "--once").Expect(t, 0)
		if w.token("live/subscribe") != before {
			t.Error("it rotated again")
		}
	})
	t.Run("retires what is past its grace", func(t *testing.T) {
		if err := os.Remove(w.Path("tokens/live/subscribe.token")); err != nil { // drift makes it due
			t.Fatal(err)
		}
		w.rotatord("run", "--once").Expect(t, 0)
		if n := len(w.sim.Tokens(harness.RelayID(0))); n != 4 { // two that came with the relay
			t.Errorf("the relay holds %d tokens, want 4", n)
		}
		harness.Eventually(t, patience, "waiting for the end of the grace", func() error {
			w.rotatord("run", "--once").Expect(t, 0)
			if n := len(w.sim.Tokens(harness.RelayID(0))); n != 3 {
				return fmt.Errorf("the relay holds %d tokens, want 3", n)
			}
			return nil
		})
	})
	t.Run("fails when a slot does, and names it", func(t *testing.T) {
		w := newWorld(t, 1)
		w.configure(settings{Defaults: `{schedule: "0 4 * * *", sinks: [disk]}`})
		w.sim.RemoveRelay(harness.RelayID(0))
		w.rotatord("run", "--once").Expect(t, 1, `"slot":"live/subscribe","relay":"live","step":"mint"`, "21007", "1 of 1 slots failed")
	})
	t.Run("is refused while a daemon holds the state", func(t *testing.T) {
		d := w.start()
		w.rotatord("run", "--once").Expect(t, 1, "state.db", "another rotatord holds it", "stop the other one")
		w.rotatord("run").Expect(t, 1, w.Socket())
		if d.stop() != 0 {
			t.Error("the daemon did not stop cleanly")
		}
	})
}

func TestRotate(t *testing.T) {
	t.Parallel()
	const both = "{live: {id: %s, tokens: {subscribe: {}, publish_subscribe: {}}}, other: {id: %s, tokens: {subscribe: {}}}}"
	setup := func(t *testing.T) *daemon {
		w := newWorld(t, 2)
		w.configure(settings{Relays: fmt.Sprintf(both, harness.RelayID(0), harness.RelayID(1))})
		return w.start()
	}
	t.Run("one slot, with progress", func(t *testing.T) {
		t.Parallel()
		d := setup(t)
		r := d.rotatord("rotate", "live/subscribe").Expect(t, 0, "live/subscribe: rotation asked for", "live/subscribe: rotated and verified: token ")
		if !strings.Contains(r.Out, d.slot("live/subscribe").TokenID) || d.token("live/publish_subscribe") != "" {
			t.Errorf("it says %s", r.Out)
		}
		if !d.sim.Accepts(harness.RelayID(0), d.token("live/subscribe")) {
			t.Error("the sink holds no valid token")
		}
		events, err := d.api.History(t.Context(), "live/subscribe", 10)
		if err != nil || len(events) != 2 || events[0].Kind != slot.EventRotated || events[1].Kind != slot.EventRequested || events[0].By == "" {
			t.Errorf("history %+v, %v", events, err)
		}
	})
	t.Run("a relay, and all", func(t *testing.T) {
		t.Parallel()
		d := setup(t)
		d.rotatord("rotate", "live", "live/subscribe").Expect(t, 0, "live/publish_subscribe: rotated", "live/subscribe: rotated")
		if n := d.sim.Counts()[cfsim.Create]; n != 2 {
			t.Errorf("%d tokens made, want 2", n)
		}
		d.rotatord("rotate", "--all").Expect(t, 0, "other/subscribe: rotated")
		if n := d.sim.Counts()[cfsim.Create]; n != 5 {
			t.Errorf("%d tokens made, want 5", n)
		}
	})
	t.Run("without waiting", func(t *testing.T) {
		t.Parallel()
		d := setup(t)
		d.api.Close()
		r := d.rotatord("rotate", "--no-wait", "other").Expect(t, 0, "rotation asked for")
		if strings.Contains(r.Out, "verified") {
			t.Error("it waited")
		}
		d.served(1, "other/subscribe")
	})
	t.Run("an unknown name", func(t *testing.T) {
		t.Parallel()
		d := setup(t)
		d.rotatord("rotate", "live", "lvie").Expect(t, 1, `no slot is called "lvie"`, "rotatord status")
		if d.sim.Counts()[cfsim.Create] != 0 {
			t.Error("it rotated something all the same")
		}
	})
	t.Run("gives up after some failures and says when rotatord goes on", func(t *testing.T) {
		t.Parallel()
		d := setup(t)
		d.sim.RemoveAPIToken(harness.APIToken)
		d.rotatord("rotate", "other").Expect(t, 1, "failed at step mint", "Invalid API Token", "rotatord goes on, next attempt")
	})
	t.Run("says what it waits for when the slot has three tokens", func(t *testing.T) {
		t.Parallel()
		d := setup(t)
		for range 3 {
			d.rotatord("rotate", "other").Expect(t, 0)
		}
		d.rotatord("rotate", "--timeout", "1s", "other").Expect(t, 1, "the slot has three tokens", "when the oldest grace ends, at 20")
		d.rotatord("rotate", "--compromised", "--timeout", "5s", "other").Expect(t, 1, "rotated and verified")
	})
	t.Run("does not wait longer than it is told", func(t *testing.T) {
		t.Parallel()
		d := setup(t)
		d.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.RateLimited, Delay: patience})
		d.rotatord("rotate", "--timeout", "1s", "other").Expect(t, 1, "not verified in time", "rotatord goes on")
	})
}

func TestRotateCompromised(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.start()
	t.Run("revokes what rotatord made, and names what it did not", func(t *testing.T) {
		d.rotatord("rotate", "live").Expect(t, 0)
		d.rotatord("rotate", "live").Expect(t, 0)
		former := d.token("live/subscribe")
		r := d.rotatord("rotate", "--compromised", "--timeout", "5s", "live").Expect(t, 1, "looked at again for up to 70 s",
			"connections that are already open stay open", "still accepted with the same rights", "(others)")
		if d.sim.Accepts(harness.RelayID(0), former) || !d.sim.Accepts(harness.RelayID(0), d.token("live/subscribe")) {
			t.Error("the old token is accepted, or the new one is not")
		}
		if n := len(d.sim.Tokens(harness.RelayID(0))); n != 3 {
			t.Errorf("the relay holds %d tokens, want the new one and the two that came with it", n)
		}
		for _, tok := range d.sim.Tokens(harness.RelayID(0)) {
			if named := strings.Contains(r.Err, tok.ID); named != (tok.Label == "" && len(tok.Operations) == 1) {
				t.Errorf("token %s (%v, label %q): named %v", tok.ID, tok.Operations, tok.Label, named)
			}
		}
	})
	t.Run("is done when nothing else is accepted", func(t *testing.T) {
		for _, tok := range d.sim.Tokens(harness.RelayID(0)) {
			if tok.Label == "" {
				d.revoke(harness.RelayID(0), tok.ID)
			}
		}
		d.rotatord("rotate", "--compromised", "live").Expect(t, 0, "rotated and verified", "connections that are already open stay open")
	})
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{Disk: ", probe_interval: 1s"})
	d := w.start()
	t.Run("before the first rotation", func(t *testing.T) {
		d.rotatord("status").Expect(t, 0, "SLOT", "live/subscribe", "idle", "manual", "disk pending")
		d.rotatord("status", "--check").Expect(t, 0)
	})
	t.Run("after one", func(t *testing.T) {
		d.rotatord("rotate", "live").Expect(t, 0)
		d.rotatord("status").Expect(t, 0, "disk ok", "in 364d")
		var slots []slot.Status
		r := d.rotatord("status", "-o", "json")
		if err := json.Unmarshal([]byte(r.Out), &slots); err != nil || len(slots) != 1 || slots[0].TokenID == "" {
			t.Errorf("%v\n%s", err, r.Out)
		}
	})
	t.Run("while one fails", func(t *testing.T) {
		d.sim.RemoveAPIToken(harness.APIToken)
		d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
		d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.ConsecutiveFailures > 0 })
		d.rotatord("status").Expect(t, 0, "failing", "at step mint", "Invalid API Token", "next attempt")
		d.rotatord("status", "--check").Expect(t, 1, "1 slot is failing or overdue")
		d.rotatord("history", "-n", "1").Expect(t, 0, "failed", "mint: ")
	})
	t.Run("history of what is not there", func(t *testing.T) {
		d.rotatord("history", "nowhere").Expect(t, 1, "nowhere")
	})
	t.Run("plan from what the daemon knows", func(t *testing.T) {
		r := d.rotatord("plan").Expect(t, 0, "TIME")
		if strings.Contains(r.Err, "no daemon") {
			t.Error(r.Err)
		}
	})
}

func TestDev(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"overlap", "in_place"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 0)
			d := w.launch("dev", "--strategy", strategy)
			var target string
			d.until(func() error {
				_, rest, ok := strings.Cut(d.logs.String(), "token file    ")
				if !ok || !strings.Contains(rest, "Ctrl-C stops and cleans up") {
					return fmt.Errorf("it does not say where to look")
				}
				target, _, _ = strings.Cut(rest, "\n")
				return nil
			})
			seen := map[string]bool{}
			d.until(func() error {
				b, _ := os.ReadFile(target)
				if seen[string(b)] = true; len(seen) < 4 { // nothing, and three tokens
					return fmt.Errorf("%d contents of %s so far", len(seen), target)
				}
				return nil
			})
			// An impatient user hits Ctrl-C more than once.
			d.Signal(os.Interrupt)
			d.Signal(os.Interrupt)
			d.Signal(syscall.SIGTERM)
			if code := d.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if left, _ := filepath.Glob(w.Path("rotatord-dev-*")); len(left) > 0 {
				t.Errorf("it leaves %v behind", left)
			}
			if n := strings.Count(d.logs.String(), "\n"); n > 200 {
				t.Errorf("it says %d lines", n)
			}
		})
	}
}
