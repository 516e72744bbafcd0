package journal_test

import (
	"testing"

	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
)

func TestTheEmbeddedStoreIsAJournal(t *testing.T) {
	journaltest.Run(t, journaltest.Harness{
		New: func(t *testing.T) func() journaltest.Journal {
			dir := t.TempDir()
			return func() journaltest.Journal {
				b, err := journal.Open(dir, journal.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
		},
		KeptEvents: 100,
		TooLarge:   1 << 20,
	})
}
