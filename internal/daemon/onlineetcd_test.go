package daemon

import (
	"os"
	"strings"
	"testing"
)

// checkReplica returns what a check of one replica's configuration finds of etcd.
func (h *replicated) checkReplica(name string, replacing ...string) string {
	h.Helper()
	path := h.configFor(name, h.etcd.Endpoints(), replacing...)
	if err := os.Rename(path, h.path("config.yaml")); err != nil {
		h.Fatal(err)
	}
	_, of, found := strings.Cut(h.checkOnline(h.Context()), "     etcd ")
	if !found {
		h.Fatal("nothing is told of etcd")
	}
	of, _, _ = strings.Cut(of, "\n     ")
	return strings.ReplaceAll(of, strings.Join(h.etcd.Endpoints(), ", "), "ETCD")
}

func TestACheckFindsOutWhetherAReplicaCouldLead(t *testing.T) {
	h := newReplicated(t)
	if got := h.checkReplica("a"); !strings.HasPrefix(got, "ETCD below /rotatord\nok   it answers, and lets this user read and write there\n"+
		"ok   no replica has led yet: the identity of the first that leads will be the one for all (age1") || !strings.HasSuffix(got, "MiB are used\nnote no replica runs") {
		t.Errorf("before the first has led:\n%s", got)
	}
	a := h.run("a")
	h.eventually("a leads", a.leads)
	got := h.checkReplica("b")
	for _, want := range []string{"ok   state.identity_file opens what replicas have sealed\n",
		"ok   sink disk: DIR shows here what the other replicas see there\n", "ok   room: ", " leads"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not told:\n%s", want, got)
		}
	}
	if got := h.checkReplica("b", "{subscribe: {}}", "{publish: {}}"); !strings.Contains(got, "leads, with another configuration than this one") {
		t.Errorf("of another configuration:\n%s", got)
	}
	h.show(markerFile, "another file system's\n")
	if got := h.checkReplica("b"); !strings.Contains(got, "FAIL sink disk: look at marker DIR/.rotatord-shared: another marker is there than the other replicas see") {
		t.Errorf("of another file system:\n%s", got)
	}
}

func TestACheckSaysWhyAReplicaCannotLead(t *testing.T) {
	h := newReplicated(t)
	for name, c := range map[string]struct {
		replacing []string
		want      string
	}{
		"no identity":    {[]string{h.path("identity.txt"), h.path("gone.txt")}, "FAIL state.identity_file: read age identity DIR/gone.txt: open DIR/gone.txt: no such file or directory (copy it from another replica; before the first start, make it with age-keygen -o DIR/gone.txt"},
		"no authorities": {[]string{"etcd: {", "etcd: {ca_file: " + h.path("gone.pem") + ", ", "http://127", "https://127"}, "FAIL state.etcd: ca_file: open DIR/gone.pem"},
		"nobody there":   {[]string{h.etcd.Endpoints()[0], "http://127.0.0.1:1"}, "nothing listens there: check endpoints of state.etcd"},
	} {
		if got := h.checkReplica("a", c.replacing...); !strings.Contains(got, c.want) {
			t.Errorf("%s: got\n%s\nwant %s", name, got, c.want)
		}
	}
}
