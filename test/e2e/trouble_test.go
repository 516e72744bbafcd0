package e2e

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const otherAccount = "ffffffffffffffffffffffffffffffff"

// failing waits until a slot has failed and says when it tries again.
func (d *daemon) failing(name string, says ...string) {
	d.t.Helper()
	s := d.untilSlot(name, func(s slot.Status) bool {
		return s.Failure != nil && containsAll(s.Failure.Message, says)
	})
	if s.NextAttempt.Before(s.Failure.At) || !s.NextAttempt.Equal(s.Failure.Next) {
		d.t.Errorf("%s failed at %v and is tried again at %v", name, s.Failure.At, s.NextAttempt)
	}
	d.rotatord("status").Expect(d.t, 0, append(says, name+": failed", "next attempt")...)
}

// rotates waits until a slot that runs by itself has rotated twice more.
func (d *daemon) rotates(name string) {
	d.t.Helper()
	seen := map[string]bool{d.slot(name).LastRotation.String(): true}
	d.untilSlot(name, func(s slot.Status) bool { seen[s.LastRotation.String()] = true; return len(seen) > 2 })
}

// TestCloudflareTrouble has one account in trouble while another goes on.
func TestCloudflareTrouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		strategy string
		broken   func(*world)
		mended   func(*world)
		says     []string
	}{
		"unreachable": {"overlap", func(w *world) { w.api.down() }, func(w *world) { w.api.up(w.t) }, []string{"connection refused", "api_url"}},
		"unknown API token": {"overlap", func(w *world) { w.sim.RemoveAPIToken(harness.APIToken) },
			func(w *world) { w.sim.AddAPIToken(harness.APIToken, cfsim.Edit, harness.AccountID) }, []string{"401", "Invalid API Token"}},
		"missing permission": {"overlap", func(w *world) { w.sim.AddAPIToken(harness.APIToken, cfsim.Read, harness.AccountID) },
			func(w *world) { w.sim.AddAPIToken(harness.APIToken, cfsim.Edit, harness.AccountID) }, []string{"403", "10000", "MoQ: Edit"}},
		"overlap is not offered": {"overlap", func(w *world) { w.sim.AddAccount(harness.AccountID, cfsim.Gen1) },
			func(w *world) { w.sim.AddAccount(harness.AccountID, cfsim.Both) }, []string{"this account does not offer", "set `strategy: in_place`"}},
		"in_place is not offered": {"in_place", func(w *world) { w.sim.AddAccount(harness.AccountID, cfsim.Gen2) },
			func(w *world) { w.sim.AddAccount(harness.AccountID, cfsim.Both) }, []string{"this account does not offer", "set `strategy: overlap`"}},
		"no such relay": {"overlap", func(w *world) { w.sim.RemoveRelay(harness.RelayID(0)) },
			func(w *world) { w.sim.AddRelay(harness.AccountID, harness.RelayID(0), "again") }, []string{"404", "21007", "relay not found"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			other := newWorld(t, 0)
			other.sim.AddAccount(otherAccount, cfsim.Both)
			other.sim.AddAPIToken(harness.APIToken, cfsim.Edit, otherAccount)
			other.sim.AddRelay(otherAccount, harness.RelayID(1), "other")
			c.broken(w)
			w.configure(settings{
				Accounts: fmt.Sprintf("  other: {account_id: %s, api_token: {file: %s}, api_url: \"%s\"}\n", otherAccount, w.Path("api-token"), other.api.url),
				Defaults: fmt.Sprintf("{account: main, schedule: \"@every 1s\", initial: now, strategy: %s, sinks: [disk]}", c.strategy),
				Relays: fmt.Sprintf("{live: {id: %s, tokens: {subscribe: {}}}, other: {id: %s, account: other, strategy: overlap, grace: 300ms, tokens: {subscribe: {}}}}",
					harness.RelayID(0), harness.RelayID(1)),
			})
			d := w.start()
			d.failing("live/subscribe", c.says...)
			d.rotates("other/subscribe")
			c.mended(w)
			d.served(0, "live/subscribe")
			d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.ConsecutiveFailures == 0 })
		})
	}
}

// TestLostAnswersInARow loses the answers of mints that were carried out, one
// after the other: each token is found and revoked before the next is made.
func TestLostAnswersInARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	d.sim.Next(cfsim.Create, slices.Repeat([]cfsim.Fault{{Kind: cfsim.LostAfter}}, 3)...)
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Requested.IsZero() })
	held, made := 0, 0
	for _, call := range d.sim.Calls() {
		switch call.Op {
		case cfsim.Create:
			held++
			made++
		case cfsim.Revoke:
			held--
		}
		if held > 3 {
			t.Errorf("the slot has %d tokens", held)
		}
	}
	if made != 5 || len(d.sim.Tokens(harness.RelayID(0))) != 4 {
		t.Errorf("%d tokens were made, the relay holds %d; want 5, and 4: two that came with it, one in its grace, one served",
			made, len(d.sim.Tokens(harness.RelayID(0))))
	}
}

// TestLostAnswerWhileASinkIsDown loses the answer of a mint, and with the sink
// the way to see who serves what: in the end the lost token is gone, without a
// newer one's help.
func TestLostAnswerWhileASinkIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	aws, sink := w.withAWS("")
	w.configure(settings{Sinks: sink, Defaults: "{schedule: manual, initial: schedule, grace: 1h, sinks: [aws]}"})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	d.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.LostAfter})
	d.world.api.breakMethod(http.MethodGet) // nothing is listed before the sink is down
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.says(`"step":"mint"`, "no answer")
	aws.Inject(func(string, string) *awstest.Failure { return &awstest.Failure{Dropped: true} })
	d.world.api.breakMethod("")
	d.says(`"step":"preflight"`, "probe aws")
	d.world.api.breakMethod(http.MethodPost) // no newer token comes to its aid
	aws.Inject(nil)
	d.until(func() error {
		if n := len(d.sim.Tokens(harness.RelayID(0))); n != 3 {
			return fmt.Errorf("the relay holds %d tokens, want the served one beside the two that came with it", n)
		}
		return nil
	})
	d.world.api.breakMethod("")
	d.recovers("live/subscribe")
}

func TestSinkTrouble(t *testing.T) {
	t.Parallel()
	down := func(string, string) *awstest.Failure { return &awstest.Failure{Dropped: true} }
	t.Run("a required sink that is down holds up only its slots", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 2)
		aws, sink := w.withAWS("")
		aws.Inject(down)
		w.configure(settings{
			Sinks: sink, Defaults: `{schedule: "@every 1s", grace: 300ms, sinks: [disk]}`,
			Relays: fmt.Sprintf("{live: {id: %s, tokens: {subscribe: {sinks: [aws]}}}, other: {id: %s, tokens: {subscribe: {}}}}", harness.RelayID(0), harness.RelayID(1)),
		})
		d := w.start()
		d.failing("live/subscribe", "probe aws")
		d.rotates("other/subscribe")
		for _, call := range d.sim.Calls() {
			if call.Relay == harness.RelayID(0) && call.Op == cfsim.Create {
				t.Error("a token was made that could not be delivered")
			}
		}
		aws.Inject(nil)
		d.rotates("live/subscribe")
	})
	t.Run("an optional sink that hangs delays nothing", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		hang := make(chan struct{})
		aws, sink := w.withAWS(", timeout: 60s")
		aws.Inject(func(string, string) *awstest.Failure { return &awstest.Failure{Hang: hang} })
		w.configure(settings{Sinks: sink, Defaults: "{schedule: manual, initial: schedule, grace: 100ms, sinks: [disk, {sink: aws, required: false}]}"})
		d := w.start()
		d.rotatord("rotate", "--timeout", "30s", "live").Expect(t, 0)
		d.rotatord("rotate", "--timeout", "30s", "live").Expect(t, 0)
		d.untilSlot("live/subscribe", func(s slot.Status) bool { return len(s.OldTokens) == 0 }) // retired, too
		d.served(0, "live/subscribe")
		d.rotatord("status").Expect(t, 0, "aws pending (optional)")
		close(hang)
		aws.Inject(nil)
		d.untilSlot("live/subscribe", func(s slot.Status) bool {
			return s.Sinks[1].State == "ok" && s.Sinks[1].RotationID == s.Sinks[0].RotationID
		})
	})
}

func TestStateFolderTrouble(t *testing.T) {
	t.Parallel()
	t.Run("read-only at the start", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		disk := w.mountSmall("state")
		harness.Check(t, disk.SetReadOnly(true))
		stateTrouble(t, w, "read-only", func() error { return disk.SetReadOnly(false) })
	})
	t.Run("full at the start", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		disk := w.mountSmall("state")
		harness.Check(t, disk.Fill())
		stateTrouble(t, w, "no space left", disk.Free)
	})
	t.Run("the identity's folder is full", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		disk := w.mountSmall("keys")
		harness.Check(t, disk.Fill())
		w.identity = w.Path("keys/identity.txt")
		stateTrouble(t, w, "no space left", disk.Free)
	})
	t.Run("taken away while running", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		w.configure(settings{Defaults: `{schedule: "@every 1s", grace: 300ms, sinks: [disk]}`})
		d := w.start()
		d.served(0, "live/subscribe")
		move(t, w.Path("state"), w.Path("moved"))
		d.until(func() error {
			if code, body, err := d.get("/-/ready"); code != http.StatusServiceUnavailable || !strings.Contains(body, "put the file back") {
				return fmt.Errorf("ready: %d %s %v", code, body, err)
			}
			return nil
		})
		move(t, w.Path("moved"), w.Path("state"))
		d.ready()
		d.rotates("live/subscribe")
	})
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// stateTrouble starts a daemon whose journal cannot be opened, until mend.
func stateTrouble(t *testing.T, w *world, says string, mend func() error) {
	t.Helper()
	w.configure(settings{Defaults: `{schedule: "@every 1s", grace: 300ms, sinks: [disk]}`})
	d := w.launch("run")
	d.until(func() error {
		code, body, err := d.get("/-/ready")
		if err == nil && (code != http.StatusServiceUnavailable || !strings.Contains(body, says)) {
			err = fmt.Errorf("ready: %d %s", code, body)
		}
		return err
	})
	if code, _, err := d.get("/-/healthy"); code != http.StatusOK {
		t.Errorf("healthy: %d, %v", code, err)
	}
	d.says("cannot start yet; trying again", says)
	d.rotatord("rotate", "--all").Expect(t, 0)
	if n := len(d.sim.Calls()); n > 0 {
		t.Errorf("%d calls to Cloudflare without a journal", n)
	}
	harness.Check(t, mend())
	d.ready()
	d.served(0, "live/subscribe")
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestStateThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	used := func(t *testing.T) *world {
		w := newWorld(t, 1)
		w.configure(settings{Defaults: `{schedule: "0 4 * * *", sinks: [disk]}`})
		w.rotatord("run", "--once").Expect(t, 0)
		return w
	}
	t.Run("another daemon has it", func(t *testing.T) {
		t.Parallel()
		first := used(t)
		first.start()
		second := newWorld(t, 1)
		second.configure(settings{State: first.Path("state")})
		second.rotatord("run").Expect(t, 1, "state.db", "another rotatord holds it", "stop the other one")
	})
	t.Run("a newer rotatord wrote it", func(t *testing.T) {
		t.Parallel()
		w := used(t)
		w.setVersion(t, 4)
		before := w.Read("state/state.db")
		w.rotatord("run").Expect(t, 1, "made by a newer rotatord: it is of format version 4, and this one reads up to 3", "the file was not touched")
		if w.Read("state/state.db") != before {
			t.Error("the file was touched")
		}
	})
	t.Run("it is damaged", func(t *testing.T) {
		t.Parallel()
		w := used(t)
		b := []byte(w.Read("state/state.db"))
		copy(b[8192:], strings.Repeat("damage", 2000))
		w.Put("state/state.db", string(b))
		w.rotatord("run").Expect(t, 1, "state.db", "restore the file from a backup")
		if w.Read("state/state.db") != string(b) {
			t.Error("the file was touched")
		}
	})
	t.Run("its identity is lost", func(t *testing.T) {
		t.Parallel()
		w := used(t)
		move(t, w.Path("state/identity.txt"), w.Path("identity.txt"))
		w.rotatord("run").Expect(t, 1, "the identity file "+w.Path("state/identity.txt")+" is missing", "Put the file back", "age-keygen -o")
		move(t, w.Path("identity.txt"), w.Path("state/identity.txt"))
		w.start()
	})
}

// setVersion makes the journal's file one of another format.
func (w *world) setVersion(t *testing.T, version uint32) {
	t.Helper()
	db, err := bbolt.Open(w.Path("state/state.db"), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("version"), binary.BigEndian.AppendUint32(nil, version))
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
}
