package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/test/harness"
)

var operations = map[moq.TokenType][]string{
	moq.PublishSubscribe: {"publish", "subscribe"},
	moq.Subscribe:        {"subscribe"},
}

var errAbsent = errors.New("the target holds nothing")

// read returns the token that a consumer of a sink finds there.
func (w *world) read(s slotSpec, sink string) (string, error) {
	switch sink = strings.TrimSuffix(sink, "?"); sink {
	case "disk":
		return file(w.Path("disk/"+s.relay+"/"+string(s.typ)), func(text string) string { return text })
	case "disk" + moved:
		return file(w.Path("disk/"+s.relay+moved+"/"+string(s.typ)), func(text string) string { return text })
	case "box" + moved:
		return file(w.Path("box/"+s.relay+"-"+string(s.typ)+moved+".json"), tokenOf)
	case gainedSink:
		return file(w.Path("extra/"+s.relay+"-"+string(s.typ)+".json"), tokenOf)
	case "box":
		return file(w.Path("box/"+s.relay+"-"+string(s.typ)+".json"), tokenOf)
	case "spare":
		return file(w.Path("spare/"+s.relay+"-"+string(s.typ)+".env"), tokenOfEnv)
	case "aws":
		text, ok := w.aws.Value("moq/" + s.relay + "/" + string(s.typ))
		if !ok {
			return "", errAbsent
		}
		return tokenOf(text), nil
	case "vault":
		token, found, err := harness.VaultToken(w, w.vault, "secret/data/moq/"+s.relay+"/"+string(s.typ))
		if err == nil && !found {
			err = errAbsent
		}
		return token, err
	}
	return "", fmt.Errorf("no sink %q", sink)
}

func file(path string, token func(string) string) (string, error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errAbsent
	case err != nil:
		return "", err
	}
	return token(string(b)), nil
}

// tokenOf finds the token in a JSON record; one that is cut short gives none.
func tokenOf(text string) string {
	var r struct{ Token string }
	if json.Unmarshal([]byte(text), &r) != nil {
		return ""
	}
	return r.Token
}

func tokenOfEnv(text string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, "MOQ_TOKEN="); ok && strings.HasSuffix(v, "\n") {
			return strings.Trim(v, "\n'\"")
		}
	}
	return ""
}

// watcher looks at every sink all the time, as consumers do that read their sink
// again within the grace.
type watcher struct {
	*world
	cancel context.CancelFunc
	wg     sync.WaitGroup

	reads, tested, late atomic.Int64
	expired             atomic.Int64 // tokens whose time was over before they were renewed
	elsewhere           atomic.Int64 // of those tested, at places that are a slot's for a while
	followed            atomic.Int64 // working tokens that a consumer found in the place of one that worked

	mu     sync.Mutex
	faults []string
}

func (w *world) watch() *watcher {
	ctx, cancel := context.WithCancel(w.Context())
	o := &watcher{world: w, cancel: cancel}
	for _, s := range w.slots {
		for _, sink := range s.places() {
			o.wg.Go(func() {
				var before reading
				for ctx.Err() == nil {
					before = o.consume(ctx, s, sink, before)
				}
			})
		}
	}
	return o
}

// stop ends the watch and tells what was seen.
func (o *watcher) stop() []string {
	o.cancel()
	o.wg.Wait()
	return o.faults
}

func (o *watcher) fault(format string, args ...any) {
	o.note("LOSS "+format, args...)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, o.now().UTC().Format(time.RFC3339Nano)+" "+fmt.Sprintf(format, args...))
}

// reading is what a consumer read, and whether a relay let it in.
type reading struct {
	value     string
	accepted  bool
	disturbed int64 // what had been done to sinks and clocks before
}

// compare looks whether a consumer is let in with what it read. Who had a token that works, and finds one that is
// refused, was given it too early, unless somebody did something to its sink meanwhile.
func (o *watcher) compare(s slotSpec, sink string, before, now reading) {
	undisturbed := before.disturbed == now.disturbed && o.disturbed.Load() == now.disturbed
	if !now.accepted && before.accepted && undisturbed && o.accepts(before.value) && !o.hasExpired(now.value) {
		t, _ := o.given.of(now.value)
		o.fault("%s: token %s, read from sink %s, is refused, and the one before it works", s.name(), t.id, sink)
	}
	if before.accepted && now.accepted && before.value != now.value {
		o.followed.Add(1)
	}
}

// consume reads a sink, holds the token for a part of the grace, and tests at
// the end whether it is still good.
func (o *watcher) consume(ctx context.Context, s slotSpec, sink string, before reading) (found reading) {
	hold := max(s.grace, time.Second/2)
	start := o.now()
	found.disturbed = o.disturbed.Load()
	tooNew := false
	value, err := o.read(s, sink)
	if err == nil && s.strategy == moq.Overlap {
		found.value, found.accepted = value, o.accepts(value)
		o.compare(s, sink, before, found)
		tooNew = o.isTooNew(value) // it was brought at once to where none worked
	}
	if err == nil {
		o.reads.Add(1)
		if !o.given.wasFor(value, s) {
			o.fault("%s: sink %s holds %q, which is no whole token of the slot", s.name(), sink, value)
		}
	}
	harness.Pause(ctx, time.Duration(float64(hold)*(0.3+0.6*rand.Float64()))-o.now().Sub(start))
	if err != nil || ctx.Err() != nil || s.strategy != moq.Overlap || strings.HasSuffix(sink, "?") || tooNew {
		return found
	}
	ok := o.accepts(value)
	held := o.now().Sub(start)
	switch {
	case held > s.grace:
		o.late.Add(1) // the machine was busy: this consumer was too slow
	case !ok && o.hasExpired(value):
		o.expired.Add(1)
	case !ok:
		t, _ := o.given.of(value)
		o.fault("%s: token %s, read from sink %s %s ago (grace %s), is dead", s.name(), t.id, sink, held, s.grace)
	default:
		o.tested.Add(1)
		if !slices.Contains(s.sinks, sink) {
			o.elsewhere.Add(1)
		}
	}
	return found
}

// accepts reports whether the relay that a value is for lets it in.
func (o *watcher) accepts(value string) bool {
	t, ok := o.given.of(value)
	return ok && o.sim.Accepts(t.relayID, value)
}

// isTooNew reports whether the relay that a value is for does not know it yet.
func (o *watcher) isTooNew(value string) bool {
	t, _ := o.given.of(value)
	return o.sim.Unknown(t.relayID, value)
}

func (o *watcher) hasExpired(value string) bool {
	t, ok := o.given.of(value)
	return ok && !o.now().Before(t.expires)
}
