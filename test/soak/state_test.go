package soak

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const someTime = 20 * time.Second

// still is a world of one relay whose slots rotate once, and then when asked to.
func still(t *testing.T, strategy moq.Strategy, sinks ...string) *world {
	t.Helper()
	var slots []slotSpec
	for _, typ := range []moq.TokenType{moq.PublishSubscribe, moq.Subscribe} {
		s := slotSpec{relay: "live", relayID: strings.Repeat("a", 32), typ: typ, strategy: strategy, sinks: sinks}
		if strategy == moq.Overlap {
			s.grace = 300 * time.Millisecond
		}
		slots = append(slots, s)
	}
	w := newWorld(t, slots)
	w.configure()
	return w
}

// rest waits until nothing is left to do.
func (w *world) rest() {
	w.Helper()
	w.until(someTime, "rest", atRest)
}

// rotated rotates all slots and waits until nothing is left to do.
func (w *world) rotated() {
	w.Helper()
	if o := w.run(w, "rotate", "--all"); o.Code != 0 {
		w.Fatalf("rotate: code %d\n%s%s", o.Code, o.Out, o.Err)
	}
	w.rest()
}

// held are the values that the slots' consumers find, slot by slot.
func (w *world) held() (values []string) {
	w.Helper()
	for _, s := range w.slots {
		v, err := w.read(s, s.sinks[0])
		harness.Check(w, err)
		values = append(values, v)
	}
	return values
}

// listed are the ids of all tokens of the relay.
func (w *world) listed() (ids []string) {
	for _, t := range w.sim.Tokens(w.slots[0].relayID) {
		ids = append(ids, t.ID)
	}
	return ids
}

func (w *world) idOf(value string) string {
	t, _ := w.given.of(value)
	return t.id
}

func (w *world) state() string { return w.Path("state/" + journal.FileName) }

// backup copies the state folder, of a rotatord that does not run; restore puts the copy back.
func (w *world) backup() (restore func()) {
	copied := w.Path("backup")
	harness.Check(w, os.CopyFS(copied, os.DirFS(w.Path("state"))))
	harness.Check(w, os.Chmod(filepath.Join(copied, "identity.txt"), 0o600))
	return func() {
		harness.Check(w, os.RemoveAll(w.Path("state")))
		harness.Check(w, os.Rename(copied, w.Path("state")))
	}
}

// strangers puts tokens of another installation, and of nobody known, on the relay.
func (w *world) strangers() {
	for _, label := range []string{"rotatord-other-" + strings.Repeat("0", 26), "mine", ""} {
		body := fmt.Sprintf(`{"operations":["subscribe"],"label":%q}`, label)
		harness.Call(w, w.api, http.MethodPost, w.slots[0].relayID+"/tokens", body)
	}
	for _, id := range w.listed() {
		w.others[id] = stranger{relayID: w.slots[0].relayID}
	}
}

// tokens runs the verb that lists a relay's tokens, and gives them by owner.
func (w *world) tokens() map[adminapi.Owner][]adminapi.Token {
	w.Helper()
	o := w.run(w, "tokens", "live", "-o", "json")
	var list []adminapi.Token
	if err := json.Unmarshal([]byte(o.Out), &list); err != nil || o.Code != 0 {
		w.Fatalf("tokens: code %d, %v\n%s%s", o.Code, err, o.Out, o.Err)
	}
	out := map[adminapi.Owner][]adminapi.Token{}
	for _, t := range list {
		out[t.Owner] = append(out[t.Owner], t)
	}
	return out
}

func ids(tokens []adminapi.Token) []string {
	out := make([]string, 0, len(tokens))
	for _, t := range tokens {
		out = append(out, t.TokenID)
	}
	return slices.Sorted(slices.Values(out))
}

func (w *world) idsOf(values []string) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, w.idOf(v))
	}
	return slices.Sorted(slices.Values(out))
}

// Former tokens are reported, pruning retires those that no sink holds, and nothing
// else is touched.
func TestAMissingStateFile(t *testing.T) {
	t.Parallel()
	w := still(t, moq.Overlap, "disk", "box")
	w.strangers()
	w.launch()
	w.rest()
	before := w.held()
	w.lose()
	w.rest()
	w.listsCatchUp()
	if got, want := ids(w.tokens()[adminapi.Former]), w.idsOf(before); !slices.Equal(got, want) {
		t.Errorf("former tokens reported: %v, want %v", got, want)
	}
	for _, v := range before {
		if !w.sim.Accepts(w.slots[0].relayID, v) {
			t.Errorf("former token %s was revoked unasked", w.idOf(v))
		}
	}
	if o := w.run(t, "tokens", "prune", "live", "--yes"); o.Code != 0 || strings.Count(o.Out, "\nrevoked ") != len(before) {
		t.Errorf("prune: code %d\n%s%s", o.Code, o.Out, o.Err)
	}
	w.checkRest()
}

// A former token that a sink still holds is kept.
func TestAMissingStateFileAndSinksThatAreNotToBeTakenOver(t *testing.T) {
	t.Parallel()
	w := still(t, moq.Overlap, "disk")
	w.existing = "refuse"
	w.configure()
	w.launch()
	w.rest()
	before, listed := w.held(), w.listed()
	w.lose()
	harness.Eventually(t, someTime, "a clear refusal to overwrite", func() error {
		o := w.run(t, "status")
		if !strings.Contains(w.logged(5000), "existing: adopt") {
			return fmt.Errorf("status: %s", o.Out)
		}
		return nil
	})
	w.listsCatchUp()
	o := w.run(t, "tokens", "prune", "live", "--yes")
	if o.Code != 0 || strings.Contains(o.Out, "\nrevoked ") || !strings.Contains(o.Out, "2 tokens will be kept") {
		t.Errorf("prune: code %d\n%s%s", o.Code, o.Out, o.Err)
	}
	if !slices.Equal(w.held(), before) || !slices.Equal(w.listed(), listed) {
		t.Error("the sinks or the relay changed")
	}
}

// The next rotation takes the sinks over.
func TestAMissingStateFileInPlace(t *testing.T) {
	t.Parallel()
	w := still(t, moq.InPlace, "disk")
	w.launch()
	w.until(someTime, "a first rotation", w.rotatedSince(time.Time{}))
	before := w.held()
	w.lose()
	w.rotated()
	if after := w.held(); slices.Equal(before, after) {
		t.Error("nothing was delivered")
	}
	w.checkRest()
}

// lose stops rotatord, takes its state file away and starts it again.
func (w *world) lose() {
	w.Helper()
	w.stop()
	harness.Check(w, os.Remove(w.state()))
	w.launch()
}

// stop ends the daemon that runs.
func (w *world) stop() {
	w.Helper()
	if code := w.latest.terminate(); code != 0 {
		w.Fatalf("rotatord ended with code %d", code)
	}
}

func TestARestoredOldState(t *testing.T) {
	t.Parallel()
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy)+": a live value is not replaced by a dead one", func(t *testing.T) {
			w := still(t, strategy, "disk", "box")
			w.launch()
			w.until(someTime, "a first rotation", w.rotatedSince(time.Time{}))
			w.stop()
			restore := w.backup()
			w.launch()
			w.rotated()
			w.stop()
			restore()
			dead := w.neverDead()
			w.launch()
			w.until(someTime, "a look at the sinks", looked)
			w.rotated()
			dead()
			w.pruned()
			w.checkRest()
		})
		t.Run(string(strategy)+": an undelivered value of the copy does not overwrite a newer one", func(t *testing.T) {
			w := still(t, strategy, "aws")
			w.undelivered()
			restore := w.backup()
			w.aws.Inject(nil)
			w.launch()
			w.until(someTime, "the delivery of the value", delivered)
			w.rotated()
			w.stop()
			restore()
			dead := w.neverDead()
			since := w.now()
			w.launch()
			if strategy == moq.Overlap {
				w.doubts(since)
			}
			w.until(someTime, "a new rotation", delivered)
			w.rest()
			dead()
			w.pruned()
			w.checkRest()
		})
	}
}

// listsCatchUp waits until lists show what there is now, as whoever looks after the tokens of a relay does.
func (w *world) listsCatchUp() { harness.Pause(w.Context(), listLag) }

// pruned retires the tokens that a restored journal does not know.
func (w *world) pruned() {
	w.Helper()
	w.listsCatchUp()
	if o := w.run(w, "tokens", "prune", "live", "--yes"); o.Code != 0 {
		w.Errorf("prune: code %d\n%s%s", o.Code, o.Out, o.Err)
	}
}

// doubts waits until a restored value, which lists show no more, is doubted for longer than they lag: it would be given
// up when the process is a minute old. In the short form somebody asks for another one before.
func (w *world) doubts(since time.Time) {
	w.Helper()
	var first time.Time
	harness.Eventually(w, someTime, "another list", func() error {
		for _, c := range w.sim.Calls() {
			switch {
			case c.Op != cfsim.List || c.At.Before(since):
			case first.IsZero():
				first = c.At
			case c.At.Sub(first) > 2*listLag:
				return nil
			}
		}
		return errors.New("there is none")
	})
	if *kills >= longForm {
		w.until(3*time.Minute, "a new rotation", delivered)
	} else if o := w.run(w, "rotate", "live", "--compromised", "--no-wait"); o.Code != 0 {
		w.Fatalf("rotate: code %d\n%s%s", o.Code, o.Out, o.Err)
	}
}

// undelivered leaves a stopped rotatord with a minted value for each slot that its
// sink, AWS, did not take.
func (w *world) undelivered() {
	w.Helper()
	w.launch()
	w.until(someTime, "a first rotation", delivered)
	w.aws.Inject(func(op, _ string) *awstest.Failure {
		if op != "PutSecretValue" {
			return nil
		}
		return &awstest.Failure{Status: http.StatusInternalServerError, Code: "InternalServiceError"}
	})
	if o := w.run(w, "rotate", "live", "--no-wait"); o.Code != 0 {
		w.Fatalf("rotate: code %d\n%s%s", o.Code, o.Out, o.Err)
	}
	w.until(someTime, "a value that cannot be delivered", func(spec slotSpec, s slot.Status) error {
		if spec.relay == "live" && s.Phase != slot.Minted {
			return fmt.Errorf("phase %q", s.Phase)
		}
		return nil
	})
	w.stop()
}

// delivered is content with a slot whose sinks hold what they should.
func delivered(_ slotSpec, s slot.Status) error {
	if s.Phase != "" || s.LastRotation.IsZero() {
		return fmt.Errorf("phase %q", s.Phase)
	}
	for _, t := range s.Sinks {
		if t.State != "ok" {
			return fmt.Errorf("%s is %s", t.Sink, t.State)
		}
	}
	return nil
}

// looked is content with a slot whose sinks were all looked at.
func looked(_ slotSpec, s slot.Status) error {
	for _, t := range s.Sinks {
		if t.Checked.IsZero() {
			return fmt.Errorf("%s was not looked at", t.Sink)
		}
	}
	return nil
}

// neverDead watches the sinks until the function it gives is called: a value
// that comes into one must be alive then.
func (w *world) neverDead() (enough func()) {
	ctx, cancel := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	for _, s := range w.slots {
		for _, sink := range s.sinks {
			last, _ := w.read(s, sink)
			wg.Go(func() {
				for ; ctx.Err() == nil; harness.Pause(ctx, time.Millisecond) {
					v, err := w.read(s, sink)
					if err == nil && v != last && !w.sim.Accepts(s.relayID, v) {
						w.Errorf("%s: dead token %s came into sink %s", s.name(), w.idOf(v), sink)
					}
					last = v
				}
			})
		}
	}
	return func() { cancel(); wg.Wait() }
}

// A file that was damaged, each in its own way.
func damages(whole []byte) map[string][]byte {
	changed := func(change func(b []byte)) []byte {
		b := bytes.Clone(whole)
		change(b)
		return b
	}
	flip := func(b []byte) {
		for i := range b {
			b[i] ^= 0x5a
		}
	}
	out := map[string][]byte{
		"it ends too early":        whole[:3*4096],
		"all but some bytes":       whole[:100],
		"it holds something else":  []byte(strings.Repeat("not a journal\n", 4000)),
		"both head pages":          changed(func(b []byte) { flip(b[:64]); flip(b[4096 : 4096+64]) }),
		"a byte of a record":       bytes.ReplaceAll(whole, []byte(`"first_seen"`), []byte(`"first_soon"`)),
		"only zeros":               make([]byte, len(whole)),
		"all pages but their head": changed(func(b []byte) { flip(b[2*4096:]) }),
	}
	return out
}

func TestADamagedStateFile(t *testing.T) {
	t.Parallel()
	w := still(t, moq.Overlap, "disk")
	w.launch()
	w.rest()
	w.stop()
	restore := w.backup()
	whole, err := os.ReadFile(w.state())
	harness.Check(t, err)
	held, listed := w.held(), w.listed()
	for name, damaged := range damages(whole) {
		t.Run("refused, and not touched: "+name, func(t *testing.T) {
			harness.Check(t, os.WriteFile(w.state(), damaged, 0o600))
			for _, verb := range [][]string{{"run"}, {"run", "--once"}} {
				w.refused(t, verb, w.state(), "damaged", "restore", "move it aside", "tokens prune")
			}
			if now, err := os.ReadFile(w.state()); err != nil || !bytes.Equal(now, damaged) {
				t.Errorf("the file was touched (%v)", err)
			}
		})
	}
	t.Run("refused, and not touched: any page in use", func(t *testing.T) { w.damagePages(t, whole) })
	if !slices.Equal(w.held(), held) || !slices.Equal(w.listed(), listed) {
		t.Error("the sinks or the relay changed meanwhile")
	}
	t.Run("the way back: a backup", func(t *testing.T) {
		restore()
		w.launch()
		w.until(someTime, "rest", atRest)
		if !slices.Equal(w.held(), held) {
			t.Error("it rotated without need")
		}
		w.stop()
	})
	t.Run("the way back: moved aside", func(t *testing.T) {
		harness.Check(t, os.Rename(w.state(), w.Path("aside")))
		w.launch()
		w.rest()
		w.pruned()
		w.checkRest()
	})
}

// refused runs a verb that must fail at once with code 1 and say certain words.
func (w *world) refused(t testing.TB, verb []string, words ...string) {
	t.Helper()
	o := w.run(t, verb...)
	if o.Code != 1 {
		t.Errorf("%v: code %d, want 1", verb, o.Code)
	}
	for _, word := range words {
		if !strings.Contains(o.Err, word) {
			t.Errorf("%v does not say %q:\n%s", verb, word, o.Err)
		}
	}
}

// damagePages damages one page after the other: a file is refused unless it was
// a page that holds nothing.
func (w *world) damagePages(t *testing.T, whole []byte) {
	const page = 4096
	refused := 0
	for at := 2 * page; at+page <= len(whole); at += page {
		b := bytes.Clone(whole)
		for i := at; i < at+48; i++ {
			b[i] ^= 0xff
		}
		harness.Check(t, os.WriteFile(w.state(), b, 0o600))
		_, err := journal.Open(w.Path("state"), journal.Options{})
		if err == nil {
			continue
		}
		refused++
		if now, err := os.ReadFile(w.state()); err != nil || !bytes.Equal(now, b) {
			t.Errorf("the file was touched (%v)", err)
		}
	}
	if refused < 3 {
		t.Errorf("only %d damaged pages were noticed", refused)
	}
}

func TestAStateFileOfANewerRotatord(t *testing.T) {
	t.Parallel()
	w := still(t, moq.Overlap, "disk")
	w.launch()
	w.rest()
	w.stop()
	db, err := bbolt.Open(w.state(), 0o600, nil)
	harness.Check(t, err)
	harness.Check(t, db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("version"), binary.BigEndian.AppendUint32(nil, 4))
	}))
	harness.Check(t, db.Close())
	newer, err := os.ReadFile(w.state())
	harness.Check(t, err)
	w.refused(t, []string{"run"}, w.state(), "newer", "version 4", "not touched")
	if now, err := os.ReadFile(w.state()); err != nil || !bytes.Equal(now, newer) {
		t.Errorf("the file was touched (%v)", err)
	}
}

func TestALostIdentityFile(t *testing.T) {
	t.Parallel()
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy)+": said plainly, and slots with an undelivered value rotate anew", func(t *testing.T) {
			w := still(t, strategy, "aws")
			w.slots = append(w.slots, w.anotherRelay(strategy))
			w.configure()
			w.undelivered()
			quiet := w.slots[len(w.slots)-1]
			before, err := w.read(quiet, "disk")
			harness.Check(t, err)
			identity := w.Path("state/identity.txt")
			harness.Check(t, os.Remove(identity))
			w.refused(t, []string{"run"}, identity, "age-keygen", "rotate anew")
			_, err = secret.CreateIdentity(identity)
			harness.Check(t, err)
			w.aws.Inject(nil)
			w.launch()
			w.until(someTime, "a new rotation", delivered)
			w.rest()
			w.checkRest()
			if after, err := w.read(quiet, "disk"); err != nil || after != before {
				t.Errorf("a slot without an undelivered value was rotated (%v)", err)
			}
			if !strings.Contains(w.logged(1<<20), "the slot rotates anew") {
				t.Error("nothing is said of the value that could not be opened")
			}
		})
	}
}

// anotherRelay is a slot on a sink that always works.
func (w *world) anotherRelay(strategy moq.Strategy) slotSpec {
	s := slotSpec{relay: "other", relayID: strings.Repeat("b", 32), typ: moq.Subscribe, strategy: strategy, sinks: []string{"disk"}}
	if strategy == moq.Overlap {
		s.grace = w.slots[0].grace
	}
	w.sim.AddRelay(harness.AccountID, s.relayID, s.relay)
	for _, t := range w.sim.Tokens(s.relayID) {
		w.others[t.ID] = stranger{s.relayID, strategy == moq.InPlace}
	}
	return s
}

// A slot with three tokens, two of them in their grace, has no room for another
// until a grace ends; then a sink that was wiped is filled again.
func TestAWipedSinkIsFilledAgainWithoutAPerson(t *testing.T) {
	t.Parallel()
	w := still(t, moq.Overlap, "disk")
	for i := range w.slots {
		w.slots[i].grace = 2 * time.Second
	}
	w.configure()
	w.launch()
	w.rest()
	for range 2 {
		if o := w.run(w, "rotate", "--all"); o.Code != 0 {
			t.Fatalf("rotate: code %d\n%s%s", o.Code, o.Out, o.Err)
		}
	}
	harness.Check(t, w.wiped("disk").begin())
	w.rest()
	w.checkRest()
}
