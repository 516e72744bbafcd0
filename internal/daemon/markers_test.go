package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/adminapi"
)

const markerFile = ".rotatord-shared"

func TestAReplicaThatSeesAnotherFileSystemDoesNotLead(t *testing.T) {
	h := newReplicated(t)
	a := h.run("a")
	h.eventually("a leads", a.leads)
	text, err := os.ReadFile(h.path(markerFile))
	if err != nil {
		t.Fatal(err)
	}
	h.put(markerFile, "another file system's\n")
	b := h.start("b", h.configFor("b", h.etcd.Endpoints()))
	a.end()
	h.eventually("b says why it does not lead", func() bool {
		err := b.client().Ready(h.Context())
		return err != nil && strings.Contains(err.Error(), "another marker is there than the other replicas see")
	})
	h.put(markerFile, string(text))
	h.eventually("b leads", b.leads)
}

// hide has nobody be able to look at a marker: there is a folder in its place.
func (h *replicated) hide(name string) {
	h.Helper()
	if err := errors.Join(os.RemoveAll(h.path(name)), os.Mkdir(h.path(name), 0o700)); err != nil {
		h.Fatal(err)
	}
}

// show puts a marker there.
func (h *replicated) show(name, text string) {
	h.Helper()
	if err := os.RemoveAll(h.path(name)); err != nil {
		h.Fatal(err)
	}
	h.put(name, text)
}

func (h *replicated) read(name string) string {
	h.Helper()
	text, err := os.ReadFile(h.path(name))
	if err != nil {
		h.Fatal(err)
	}
	return string(text)
}

func TestAReplicaThatCannotLookAtASharedFolderLeadsOnceNobodyElseCan(t *testing.T) {
	h := newReplicated(t)
	a := h.run("a")
	h.eventually("a leads", a.leads)
	text := h.read(markerFile)
	h.hide(markerFile)
	b := h.run("b")
	h.eventually("b says on its page that it cannot look", func() bool {
		return strings.Contains(b.get("/"), "sees a folder that the others see cannot be found out: sink disk: look at marker")
	})
	if n := h.candidates(); n != 1 || !strings.Contains(h.logged(), "whether the other replicas see this folder cannot be found out") {
		t.Errorf("%d candidates; the log:\n%s", n, h.logged())
	}
	a.end()
	h.eventually("b leads, as nobody else is there", b.leads)
	h.show(markerFile, "another file system's\n")
	h.eventually("b leads no more once it sees another file system", func() bool {
		err := b.client().Ready(h.Context())
		return err != nil && strings.Contains(err.Error(), "another marker is there than the other replicas see")
	})
	h.show(markerFile, text)
	h.eventually("b leads again", b.leads)
}

func TestWhatASharedFolderShowsDecidesWhoMayCampaign(t *testing.T) {
	h := newReplicated(t)
	a := h.run("a")
	h.eventually("a leads", a.leads)
	text := h.read(markerFile)
	b := h.idle("b")
	c, f := b.copy.Load(), h.shared(b)
	if err := b.unfit(); !errors.Is(err, errUnseen) {
		t.Errorf("before it has looked: %v", err)
	}
	for name, shown := range map[string]struct {
		arrange func()
		fits    func(error) bool // beside others
		alone   func(error) bool
	}{
		"the marker":          {func() { h.show(markerFile, text) }, isNil, isNil},
		"nothing to be read":  {func() { h.hide(markerFile) }, leavesLeading, isNil},
		"another file system": {func() { h.show(markerFile, "another's\n") }, isElsewhere, isElsewhere},
		"no marker":           {func() { _ = os.RemoveAll(h.path(markerFile)) }, isElsewhere, isElsewhere},
	} {
		shown.arrange()
		b.lookAt(t.Context(), f, strings.TrimSpace(text))
		b.beginVigils()
		if err := b.checkFolders(c); !shown.fits(err) {
			t.Errorf("%s, beside others: %v", name, err)
		}
		b.lastLook.Store(&electionLook{})
		b.keepOn()
		if err := b.checkFolders(c); !shown.alone(err) {
			t.Errorf("%s, alone: %v", name, err)
		}
	}
}

func isNil(err error) bool { return err == nil }

// countedMarker counts the looks at a marker.
type countedMarker struct {
	marker
	looks atomic.Int32
}

func (m *countedMarker) Check(ctx context.Context, text string) error {
	m.looks.Add(1)
	return m.marker.Check(ctx, text)
}

// A network file system may hang, and consumers wait for a take-over.
func TestWhoIsElectedLooksAtNoFolderThatItHasLookedAt(t *testing.T) {
	h := newReplicated(t)
	a := h.run("a")
	h.eventually("a leads", a.leads)
	b := h.idle("b")
	counted := &countedMarker{marker: h.shared(b).marker}
	b.markers.Store(h.dir, counted)
	b.lookFor(t.Context(), b.copy.Load(), h.shared(b))
	if err := b.unfit(); err != nil || counted.looks.Load() != 1 {
		t.Fatalf("%d looks, %v", counted.looks.Load(), err)
	}
	a.end()
	if err := b.takeTerm(t); err != nil || counted.looks.Load() != 1 {
		t.Errorf("%d looks, %v", counted.looks.Load(), err)
	}
}

func TestWhoIsElectedLooksAtAFolderThatItHasNotLookedAtAndHasNothingUseItBefore(t *testing.T) {
	h := newReplicated(t)
	a := h.run("a")
	h.eventually("a leads", a.leads)
	b := h.idle("b")
	a.end()
	h.show(markerFile, "another file system's\n")
	if err := b.takeTerm(t); !isElsewhere(err) || b.core.Load() != nil {
		t.Errorf("it works: %t, %v", b.core.Load() != nil, err)
	}
}

// takeTerm has an idle replica be elected, whether it is fit or not, and open its term.
func (r *replica) takeTerm(t *testing.T) error {
	t.Helper()
	term, err := r.candidate(r.card()).Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opened := teardown{lines: r.lines}
	opened.add("leadership", resignTime, func(ctx context.Context) error { return r.resign(ctx, term) })
	_, err = r.openTerm(t.Context(), term, &opened)
	r.teardown.moveFrom(&opened)
	return err
}

// reloadWith has a replica use a folder below the usual one; "" for that itself.
func (r *tenant) reloadWith(folder string) (adminapi.ReloadResult, error) {
	r.Helper()
	r.configFor(r.name, r.etcd.Endpoints(), r.dir+"/{{.Relay}}", filepath.Join(r.dir, folder)+"/{{.Relay}}")
	return r.client().Reload(r.Context())
}

func TestALeadersReloadIsRefusedForAFolderThatTheOthersSeeOtherwise(t *testing.T) {
	h := newReplicated(t)
	a := h.run("a")
	h.eventually("a leads", a.leads)
	expect := func(when, folder, says string) {
		t.Helper()
		if _, err := a.reloadWith(folder); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", when, err, says)
		}
	}
	expect("a new folder", "new", "")
	text := h.read("new/" + markerFile)
	expect("back", "", "")
	h.show("new/"+markerFile, "another file system's\n")
	expect("another is there now", "new", "another marker is there than the other replicas see")
	if err := os.Remove(h.path("new/" + markerFile)); err != nil {
		t.Fatal(err)
	}
	expect("none is there now", "new", "the marker that another replica put there is missing here")
	st, err := a.client().Slot(t.Context(), "live", "subscribe")
	if err != nil || !a.leads() || st.Sinks[0].Target != h.path("live-subscribe.token") {
		t.Errorf("it works at %+v, %v", st, err)
	}
	h.show("new/"+markerFile, text)
	expect("as it was", "new", "")
}

func TestALeaderThatCannotLookAtANewFolderMarksItOnceItCan(t *testing.T) {
	h := newReplicated(t)
	a := h.run("a")
	h.eventually("a leads", a.leads)
	if err := os.Mkdir(h.path("new"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.hide("new/" + markerFile)
	got, err := a.reloadWith("new")
	if warned := strings.Join(got.Warnings, "\n"); err != nil || !strings.Contains(warned, "cannot be found out: sink disk: ") {
		t.Errorf("%v, %s", err, warned)
	}
	h.show("new/"+markerFile, "ours\n")
	h.eventually("the others are told what it sees", func() bool {
		found, err := h.etcd.Client.Get(t.Context(), "/rotatord/meta/marker/", clientv3.WithPrefix())
		return err == nil && len(found.Kvs) == 2
	})
	if !a.leads() {
		t.Error("it leads no more")
	}
}
