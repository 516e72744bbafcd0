package etcdjournal

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// sealNewer is seal of a rotatord whose values are of the next version.
func (w world) sealNewer(key string, content []byte) []byte {
	out := []byte(newSigner([]secret.Value{w.key}, Term{}).seal(key, 1, content))
	out[0] = envelopeVersion + 1
	copy(out[1:], sign(w.key, key, out))
	return out
}

// Whatever an older rotatord does not know it would drop with its next save.
func TestWhatANewerRotatordWroteIsNamedAndLeftToThat(t *testing.T) {
	etcd := newWorld(t, 1)
	for name, key := range map[string]string{
		"a record": slotKey(journaltest.Key(1)), "an account's note": accountFolder + journaltest.Note(1, 0).AccountID,
		"the term's record": termKey, "a leader's clock": probeKey, "a marker": markerKey("/srv/moq"),
		"a shared key": sharedFolder + "forwarding", "the key of the digests": digestKey, "a move": moveKey,
	} {
		t.Run(name, func(t *testing.T) {
			w := etcd.at("/" + url.PathEscape(name))
			mustSave(t, w.open(t, Options{}), 2, 1)
			before := w.raw(t, w.prefix+"/"+key)
			c := w.follow(t, FollowOptions{})
			follows(t, c)
			newer := w.sealNewer(key, []byte(`{}`))
			w.put(t, w.prefix+"/"+key, newer)
			eventually(t, "it is named", func() bool { return errors.Is(c.Err(), durable.ErrNewer) })
			expectNewer(t, c.Err(), w.prefix+"/"+key)
			s, err := w.tryOpen(t, w.Client, Options{Term: w.lead(t, w.Client)})
			if err == nil {
				err = s.Load(t.Context(), func(*slot.Record) error { return nil })
			}
			expectNewer(t, err, w.prefix+"/"+key)
			if got := w.raw(t, w.prefix+"/"+key); !bytes.Equal(got, newer) {
				t.Error("it was written over")
			}
			if w.remove(t, w.prefix+"/"+key); before != nil {
				w.put(t, w.prefix+"/"+key, before)
			}
			follows(t, c)
		})
	}
}

func expectNewer(t *testing.T, err error, key string) {
	t.Helper()
	expectFault(t, err, fault.Permanent, fault.Invalid, key, "made by a newer rotatord", "version 2", "up to 1", "upgrade this one")
}

func TestANewerNoteOfAnAccountIsNotTakenForADamagedOne(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	key := accountFolder + journaltest.Note(1, 0).AccountID
	w.put(t, w.prefix+"/"+key, w.sealNewer(key, []byte(`{}`)))
	_, err := s.LoadAccounts(t.Context(), func(err error) { t.Errorf("damaged: %v", err) })
	expectNewer(t, err, w.prefix+"/"+key)
}

// What a newer rotatord may add without a newer version.
func TestFieldsThatAreNotKnownAreReadPast(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1)
	more := func(key, content string) {
		t.Helper()
		sealed := newSigner([]secret.Value{w.key}, Term{}).seal(key, 1, []byte(content[:len(content)-1]+`,"more":{"than":["is","known"]}}`))
		w.put(t, w.prefix+"/"+key, []byte(sealed))
	}
	record, _, err := s.signer.open(slotKey(journaltest.Key(1)), w.raw(t, w.full(1)))
	if err != nil {
		t.Fatal(err)
	}
	note := journaltest.Note(1, 1)
	more(slotKey(journaltest.Key(1)), string(record))
	more(accountFolder+note.AccountID, mustEncode(t, note))
	more(termKey, mustEncode(t, TermRecord{Replica: "newer", Config: "abc"}))
	more(probeKey, mustEncode(t, LeaderClock{Wall: journaltest.Day()}))
	c := w.follow(t, FollowOptions{})
	follows(t, c)
	expectCopied(t, c, map[int]int{1: 1})
	if term, _ := c.Term(); term.Replica != "newer" || term.Config != "abc" || !c.LeaderClock().Wall.Equal(journaltest.Day()) || c.Ignored() != nil {
		t.Errorf("term %+v, clock %+v, ignored %v", term, c.LeaderClock(), c.Ignored())
	}
	next := w.open(t, Options{})
	expectVersions(t, next, map[int]int{1: 1})
	notes, err := next.LoadAccounts(t.Context(), func(err error) { t.Error(err) })
	if err != nil || len(notes) != 1 || notes[0] != note {
		t.Errorf("notes %v, %v", notes, err)
	}
}

func mustEncode(t *testing.T, what any) string {
	t.Helper()
	text, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What version 1 left in etcd (testdata/README.md) is read whole, and led on with.
func TestWhatTheFirstVersionWroteIsRead(t *testing.T) {
	w := newWorld(t, 1)
	values, id := readKept(t, "version1.json.gz")
	for key, value := range values {
		w.put(t, w.prefix+"/"+key, value)
	}
	keys := keysOf(t, id)
	c := w.follow(t, FollowOptions{Identity: id, Keys: keys})
	follows(t, c)
	marker, err := c.Marker("/srv/moq")
	if err != nil || marker != "0123456789abcdef" || c.Ignored() != nil {
		t.Errorf("the marker is %q, %v; ignored is %v", marker, err, c.Ignored())
	}
	if key, err := c.SharedKey("forward"); err != nil || len(key.Reveal()) != sharedKeySize {
		t.Errorf("the shared key: %v", err)
	}
	if term, _ := c.Term(); term.Replica != "moq1:9476" || !term.Since.Equal(journaltest.Day()) || !c.LeaderClock().Wall.Equal(journaltest.Day()) {
		t.Errorf("term %+v, clock %+v", term, c.LeaderClock())
	}
	s := w.open(t, Options{Identity: id, Keys: keys, Copy: c})
	if s.loaded.Load() == nil {
		t.Error("the copy was not taken over")
	}
	read := 0
	if err := s.Load(t.Context(), func(r *slot.Record) error {
		read++
		content, _, err := s.signer.open(slotKey(r.Key), values[slotKey(r.Key)])
		if got := mustEncode(t, r); err != nil || got != string(content) {
			t.Errorf("%s is read as\n%s, and is (%v)\n%s", r.Key, got, err, content)
		}
		return s.Save(t.Context(), r, slot.Event{Key: r.Key, Detail: "led on"})
	}); err != nil || read != 13 {
		t.Errorf("%d records are read, %v", read, err)
	}
	notes, err := s.LoadAccounts(t.Context(), func(err error) { t.Error(err) })
	if want := []slot.AccountNote{journaltest.Note(1, 1), journaltest.Note(2, 0)}; err != nil || !slices.Equal(notes, want) {
		t.Errorf("the notes are %v (%v), want %v", notes, err, want)
	}
	if events, err := s.History(t.Context(), nil, 0); err != nil || len(events) <= read {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// readKept reads what a former version left in etcd, below the prefix, and the identity that sealed it.
func readKept(t *testing.T, name string) (values map[string][]byte, id *secret.Identity) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var kept struct {
		Identity string            `json:"identity"`
		Values   map[string][]byte `json:"values"`
	}
	if err := json.NewDecoder(z).Decode(&kept); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(path, []byte(kept.Identity), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err = secret.LoadIdentity(path, secret.ThisProcess(nil, nil)); err != nil {
		t.Fatal(err)
	}
	return kept.Values, id
}
