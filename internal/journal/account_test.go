package journal

import (
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/slot"
)

func mustNote(t testing.TB, b *Bolt, n slot.AccountNote) {
	t.Helper()
	if err := b.SaveAccount(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func TestANoteThatIsDamagedIsNamedAndTheOthersAreGood(t *testing.T) {
	b := open(t, t.TempDir())
	for n := range 4 {
		mustNote(t, b, journaltest.Note(n, 1))
	}
	checkpoint(t, b)
	key := func(n int) []byte { return []byte(accountPrefix + journaltest.Note(n, 0).AccountID) }
	if err := b.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(metaBucket)
		moved := encodeEnvelope(key(2), []byte(`{"account_id":"another"}`))
		_ = bucket.Put(key(2), moved)
		return bucket.Put(key(1), []byte("rubbish"))
	}); err != nil {
		t.Fatal(err)
	}
	var damaged fault.Several
	got, err := b.LoadAccounts(t.Context(), damaged.Add)
	if err != nil {
		t.Error(err)
	}
	if want := []slot.AccountNote{journaltest.Note(0, 1), journaltest.Note(3, 1)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	expectFault(t, damaged.Err(), fault.Permanent, string(key(1)), "unknown version", string(key(2)), `of account "another"`)
}
