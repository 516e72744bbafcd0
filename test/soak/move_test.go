package soak

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

const (
	moved       = "-moved" // a place to which a path is changed
	gainedSink  = "extra"  // a sink that comes and goes
	roamingLife = 40 * time.Second
)

// moves is how the configuration differs from the one that a run begins and ends with, for slots that roam.
type moves struct {
	pathsMoved     bool
	sinkGained     bool
	namesExchanged bool
}

// exchange has two relays exchange their names, now and then. So their slots are alike: who reads at the place of one
// is given tokens of the other meanwhile, and goes by the same grace.
func exchange(a, b []slotSpec) {
	for i := range a {
		b[i].sinks, b[i].every, b[i].grace, b[i].settle = a[i].sinks, a[i].every, a[i].grace, a[i].settle
		a[i].other, a[i].otherID, b[i].other, b[i].otherID = b[i].relay, b[i].relayID, a[i].relay, a[i].relayID
	}
}

// places are the sinks that the slot's consumers read: its own, and those that are its own for a while.
func (s slotSpec) places() []string {
	all := append([]string{}, s.sinks...)
	if !s.roams {
		return all
	}
	for _, name := range s.sinks {
		if name == "disk" || name == "box" {
			all = append(all, name+moved)
		}
	}
	return append(all, gainedSink)
}

// relayName is what the slot's relay is called now.
func (w *world) relayName(s slotSpec) string {
	if w.namesExchanged && s.other != "" {
		return s.other
	}
	return s.relay
}

// movedRef is a slot's reference to a sink, with the path that the target has now.
func (w *world) movedRef(s slotSpec, sink string) string {
	paths := map[string]string{
		"disk": "disk/{{.Relay}}" + moved + "/{{.Type}}",
		"box":  "box/{{.Relay}}-{{.Type}}" + moved + ".json",
	}
	if path := paths[sink]; path != "" && s.roams && w.pathsMoved {
		return fmt.Sprintf("{sink: %s, path: %q}", sink, w.Path(path))
	}
	return sink
}

// gainedSink is the sink that comes and goes, in YAML, while it is there.
func (w *world) gainedSink() string {
	if !w.sinkGained {
		return ""
	}
	return fmt.Sprintf("  %s: {type: file, path: %q, format: json, timeout: 2s, probe_interval: 3s, existing: %s}\n",
		gainedSink, w.Path("extra/{{.Relay}}-{{.Type}}.json"), w.existing)
}

// withGained are a slot's references to sinks, with the one that comes and goes.
func (w *world) withGained(s slotSpec, refs []string) []string {
	if w.sinkGained && s.roams {
		return append(refs, gainedSink)
	}
	return refs
}

// move changes the configuration, and later changes it back. A rotatord that runs is told, and may be killed while it
// hears of it.
func (w *world) move(name string, is *bool) *trouble {
	turn := func(on bool) func() error {
		return func() error {
			*is = on
			w.configure()
			w.reload()
			return nil
		}
	}
	return &trouble{name: name, begin: turn(true), end: turn(false), harmless: true}
}

// reload has a rotatord that runs read its configuration again, and waits for no answer.
func (w *world) reload() {
	if d := w.latest; d != nil {
		go func() { _, _, _ = d.Ask(w.Context(), "POST", "/-/reload") }()
	}
}

// clocks are the time of the world and how far rotatord's wall clock is from it.
type clocks struct {
	passed  atomic.Int64 // nanoseconds of the world's time that the test did not wait for
	stepped time.Duration
	wall    *harness.Clock // rotatord's; Cloudflare's stays right
}

// now is what time it is in the world.
func (c *clocks) now() time.Time { return time.Now().Add(c.leapt()) }

// leapt is how much time has passed that the test did not wait for.
func (c *clocks) leapt() time.Duration { return time.Duration(c.passed.Load()) }

// setWall sets rotatord's wall clock so far ahead of the world's time.
func (c *clocks) setWall(ahead time.Duration) {
	c.stepped = ahead
	c.wall.SetAhead(c.leapt() + ahead)
}

// step sets rotatord's wall clock, and later sets it right.
func (w *world) step(direction string, by time.Duration) *trouble {
	set := func(ahead time.Duration) func() error {
		return func() error { w.setWall(ahead); return nil }
	}
	return &trouble{name: "clock steps " + direction, begin: set(by), end: set(0), harmless: true}
}

// leapAhead has time pass at once for everybody, while rotatord does not run: for Cloudflare and its relays, for AWS,
// for the wall clock, and for the elapsed-time clock as the next rotatord reads it. Nowhere does that one leap alone:
// then graces and settling would end, rightly by all that rotatord can know, for consumers and relays for which no
// time has passed.
func (w *world) leapAhead(by time.Duration) {
	w.passed.Add(int64(by))
	w.setWall(w.stepped)
	w.aws.SetSkew(w.leapt())
	seconds := strconv.Itoa(int(w.leapt().Seconds()))
	w.wrap = []string{"unshare", "--time", "--boottime", seconds, "--monotonic", seconds}
}

// canLeap reports whether this machine can have a process read an elapsed-time clock of its own.
func canLeap() bool {
	_, err := os.Stat("/proc/self/timens_offsets")
	return err == nil && syscall.Geteuid() == 0
}

// clearMoved removes what stands at places that no slot has: who prunes without the journal cannot know of them.
func (w *world) clearMoved() {
	for _, pattern := range []string{"disk/*" + moved, "box/*" + moved + ".json", "extra/*"} {
		found, err := filepath.Glob(w.Path(pattern))
		for _, path := range found {
			err = errors.Join(err, os.RemoveAll(path))
		}
		harness.Check(w, err)
	}
}
