package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// What somebody sees who moves a journal to etcd and back. It runs in real time, as etcd does.
func TestStateCopyTranscript(t *testing.T) {
	etcd := etcdtest.Start(t, 1)
	tr := &transcript{T: t, dir: t.TempDir()}
	replicated := strings.NewReplacer(
		"DIR/state}", "DIR/state, identity_file: DIR/identity.txt, etcd: {endpoints: ["+etcd.Endpoints()[0]+"], lease_ttl: 3s}}",
		`{{.Type}}"}`, `{{.Type}}", shared: true}`).Replace(goodConfig)
	tr.put("config.yaml", goodConfig)
	tr.fillJournal(t)

	tr.say("wrong use")
	tr.run("state", "copy", "embedded", "etcd")
	tr.put("config.yaml", replicated)
	tr.run("state", "copy", "embedded")
	tr.run("state", "copy", "embeded", "etcd")
	tr.run("state", "copy", "embedded", tr.path("other"))
	tr.run("state", "copy", tr.path("nowhere"), "etcd")
	tr.say("the identity is not where the configuration says, or not the one that sealed what is on its way")
	tr.run("state", "copy", "embedded", "etcd")
	other := tr.makeIdentity(t, "identity.txt")
	tr.run("state", "copy", "embedded", "etcd")
	tr.say("there and back; each twice")
	own, err := os.ReadFile(tr.path("state/identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	tr.put("identity.txt", other+string(own))
	for _, stores := range [][]string{{"embedded", "etcd"}, {"etcd", "embedded"}} {
		tr.run(append([]string{"state", "copy"}, stores...)...)
		tr.run(append([]string{"state", "copy"}, stores...)...)
	}
	tr.say("a journal that somebody may need")
	tr.run("state", "copy", "etcd", tr.path("other"))
	tr.mask(etcd.Endpoints()[0])
	wantGolden(t, "state-copy.txt", tr.text.String())
}

// fillJournal makes a journal with two slots, the values of which are on their way, and its identity.
func (tr *transcript) fillJournal(t *testing.T) {
	t.Helper()
	j, err := journal.Open(tr.path("state"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tr.makeIdentity(t, "state/identity.txt")
	identity, err := secret.LoadIdentity(tr.path("state/identity.txt"), secret.ThisProcess(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		r := journaltest.Record(n, 1, 0)
		if r.Rotation.Sealed, err = identity.Seal(secret.New("a value")); err != nil {
			t.Fatal(err)
		}
		r.Rotation.Names.Relay = fmt.Sprint("relay", n)
		var events []slot.Event
		for minute := range 7 {
			events = append(events, journaltest.Event(n, minute, ""))
		}
		if err := j.Save(t.Context(), r, events...); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// makeIdentity makes an identity and returns its file's text.
func (tr *transcript) makeIdentity(t *testing.T, name string) string {
	t.Helper()
	if _, err := secret.CreateIdentity(tr.path(name)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(tr.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// mask puts a word for what differs from run to run.
func (tr *transcript) mask(endpoint string) {
	host, _ := os.Hostname()
	text := strings.NewReplacer(endpoint, "https://etcd.example:2379", " on "+host, " on HOST").Replace(tr.text.String())
	for pattern, word := range map[string]string{
		`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ`: "2000-01-01 00:00:00Z", `digest [0-9a-f]+`: "digest 0123456789abcdef",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, word)
	}
	tr.text.Reset()
	tr.text.WriteString(text)
}
