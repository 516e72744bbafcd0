package soak

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/test/harness"
)

// trouble is something that goes wrong around rotatord for a while. begin may
// refuse: then it is not the moment for it.
type trouble struct {
	name  string
	begin func() error
	end   func() error
	left  int // lives that it goes on for
	// harmless: it touches no sink, so that whoever had a token that works is to find another such one.
	harmless bool
}

// faults is what happens to the calls of Cloudflare by chance, all the time.
func faults() []cfsim.Chance {
	chance := func(p float64, f cfsim.Fault) cfsim.Chance { return cfsim.Chance{Fault: f, P: p} }
	return []cfsim.Chance{
		chance(.03, cfsim.Fault{Kind: cfsim.LostBefore}),
		chance(.04, cfsim.Fault{Kind: cfsim.LostAfter}),
		chance(.03, cfsim.Fault{Kind: cfsim.LateCommit, Delay: 700 * time.Millisecond}),
		chance(.03, cfsim.Fault{Kind: cfsim.ErrorBefore}),
		chance(.03, cfsim.Fault{Kind: cfsim.ErrorAfter, Status: 502}),
		chance(.01, cfsim.Fault{Kind: cfsim.RateLimited, Delay: time.Second}),
		chance(.02, cfsim.Fault{Kind: cfsim.Garbage, Body: `{"success":true,"result":{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[{"jti":7}]}]}}`}),
		chance(.02, cfsim.Fault{Kind: cfsim.Garbage, Body: "<html>it works"}),
		chance(.03, cfsim.Fault{Kind: cfsim.Truncated}),
		chance(.02, cfsim.Fault{Kind: cfsim.Unsuccessful}),
		chance(.06, cfsim.Fault{Kind: cfsim.Slow, Delay: 300 * time.Millisecond}),
		chance(.02, cfsim.Fault{Kind: cfsim.PageBefore, Status: http.StatusBadGateway}),
		chance(.02, cfsim.Fault{Kind: cfsim.PageBefore}),
		chance(.02, cfsim.Fault{Kind: cfsim.PageAfter, Status: http.StatusNotFound}),
	}
}

// troubles are all that can go wrong in this world.
func (w *world) troubles(r *rand.Rand) []*trouble {
	out := []*trouble{
		{name: "Cloudflare is away", begin: func() error { w.down.Store(true); return nil }, end: func() error { w.down.Store(false); return nil }},
		{name: "AWS refuses", begin: func() error { w.aws.Inject(w.refusal(r)); return nil }, end: func() error { w.aws.Inject(nil); return nil }},
		w.away("disk"), w.away("box"), w.away("spare"),
		w.wiped("disk"), w.wiped("box"),
		w.step("ahead", 3*time.Hour), w.step("back", -time.Hour),
		w.move("a path is changed", &w.pathsMoved), w.move("a sink is added", &w.sinkGained), w.move("relays exchange their names", &w.namesExchanged),
	}
	for _, name := range []string{"state", "disk", "box"} {
		d, err := harness.MountDisk(w, w.Path(name), "4m")
		if err != nil {
			w.Logf("no file system can be mounted (%v): this run goes without trouble with %s", err, name)
			continue
		}
		out = append(out,
			&trouble{name: name + " is full", begin: d.Fill, end: d.Free},
			&trouble{name: name + " is read-only", begin: func() error { return d.SetReadOnly(true) }, end: func() error { return d.SetReadOnly(false) }})
	}
	if w.vault != nil {
		var thaw func()
		out = append(out,
			&trouble{name: "Vault does not answer", begin: func() error { thaw = w.vault.Freeze(w); return nil }, end: func() error { thaw(); return nil }},
			&trouble{name: "Vault is sealed", begin: func() error { w.vault.Seal(w); return nil }, end: func() error { w.vault.Unseal(w); return nil }})
	}
	return out
}

// refusal is one way of AWS to fail.
func (w *world) refusal(r *rand.Rand) func(op, id string) *awstest.Failure {
	ways := []awstest.Failure{
		{Dropped: true}, {Lost: true}, {Hang: w.Context().Done()},
		{Status: 500, Code: "InternalServiceError", Message: "An error occurred on the server side."},
		{Code: "ThrottlingException", Message: "Rate exceeded"},
		{Code: "AccessDeniedException", Message: "not authorized"},
	}
	f := ways[r.IntN(len(ways))]
	return func(string, string) *awstest.Failure { return &f }
}

// away puts a file in the place of a sink's folder: what is in the sink cannot be reached.
func (w *world) away(sink string) *trouble {
	inner := func() string { return w.Path(sink) }
	hidden := w.Path(sink + "-hidden")
	return &trouble{
		name: sink + " is away",
		begin: func() error {
			entries, err := os.ReadDir(inner())
			if err != nil {
				return err
			}
			return hide(inner(), hidden, entries)
		},
		end: func() error { return unhide(inner(), hidden) },
	}
}

// hide moves each entry of a sink's folder aside and puts a file, or for files a
// folder, in its place, which nobody can deliver to. A mount point itself cannot be moved.
func hide(folder, hidden string, entries []os.DirEntry) error {
	if err := os.Mkdir(hidden, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name()[0] == '.' {
			continue
		}
		from, to := filepath.Join(folder, e.Name()), filepath.Join(folder, ".hidden-"+e.Name())
		if err := swap(from, to, e.IsDir()); err != nil {
			return errors.Join(err, unhide(folder, hidden))
		}
	}
	return nil
}

func swap(from, to string, dir bool) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if dir {
		return os.WriteFile(from, nil, 0o600)
	}
	return os.Mkdir(from, 0o700)
}

func unhide(folder, hidden string) error {
	found, err := filepath.Glob(filepath.Join(folder, ".hidden-*"))
	if err != nil {
		return err
	}
	for _, from := range found {
		to := filepath.Join(folder, filepath.Base(from)[len(".hidden-"):])
		if err := errors.Join(os.RemoveAll(to), os.Rename(from, to)); err != nil {
			return err
		}
	}
	return os.Remove(hidden)
}

// wiped is a sink that loses all it holds, such as a file system in memory at a reboot.
func (w *world) wiped(sink string) *trouble {
	return &trouble{name: sink + " is wiped", end: func() error { return nil }, begin: func() error {
		entries, err := os.ReadDir(w.Path(sink))
		for _, e := range entries {
			if e.Name()[0] != '.' {
				err = errors.Join(err, os.RemoveAll(filepath.Join(w.Path(sink), e.Name())))
			}
		}
		return err
	}}
}

// storm is the troubles of one run: at most two at a time.
type storm struct {
	*world
	r        *rand.Rand
	all      []*trouble
	underWay []*trouble
	seen     map[string]int
	kills    int
}

func newStorm(w *world, r *rand.Rand) *storm {
	return &storm{world: w, r: r, all: w.troubles(r), seen: map[string]int{}}
}

// stir ends troubles whose time has come, and perhaps begins one.
func (s *storm) stir() {
	s.end(func(t *trouble) bool { t.left--; return t.left <= 0 })
	if len(s.underWay) >= 2 || s.r.Float64() > .4 {
		return
	}
	t := s.next()
	for _, other := range s.underWay {
		if conflict(t, other) {
			return
		}
	}
	defer s.disturb(t)()
	if err := t.begin(); err != nil {
		s.note("%s: not now: %v", t.name, err)
		return
	}
	s.note("begins: %s", t.name)
	t.left = 1 + s.r.IntN(3)
	s.seen[t.name]++
	s.underWay = append(s.underWay, t)
}

// next is what goes wrong next: every other time something that did not happen yet.
func (s *storm) next() *trouble {
	unseen := slices.DeleteFunc(slices.Clone(s.all), func(t *trouble) bool { return !t.harmless || s.seen[t.name] > 0 })
	if len(unseen) > 0 && s.r.IntN(2) == 0 {
		return unseen[s.r.IntN(len(unseen))]
	}
	return s.all[s.r.IntN(len(s.all))]
}

// disturb tells the watch that something is done to sinks, if it is, and until what it gives is called.
func (s *storm) disturb(t *trouble) (done func()) {
	if t.harmless {
		return func() {}
	}
	s.disturbed.Add(1)
	return func() { s.disturbed.Add(1) }
}

// conflict reports whether two troubles are about the same thing.
func conflict(a, b *trouble) bool {
	word := func(t *trouble) (w string) { _, _ = fmt.Sscan(t.name, &w); return w }
	return word(a) == word(b)
}

// end ends the troubles that over tells; nil: all.
func (s *storm) end(over func(*trouble) bool) {
	var rest []*trouble
	for _, t := range s.underWay {
		if over != nil && !over(t) {
			rest = append(rest, t)
			continue
		}
		done := s.disturb(t)
		s.note("ends: %s", t.name)
		harness.Eventually(s, 10*time.Second, "the end of: "+t.name, t.end)
		done()
	}
	s.underWay = rest
}

// pass has time pass now and then: seconds, within graces, or up to an hour.
func (s *storm) pass() {
	if s.r.Float64() > .15 || !canLeap() {
		return
	}
	longest := 20
	if s.r.IntN(2) == 0 {
		longest = 3600
	}
	by := time.Duration(1+s.r.IntN(longest)) * time.Second
	s.note("time passes: %s", by)
	s.leapAhead(by)
	s.seen["time passes"]++
}
