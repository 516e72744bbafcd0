package etcdjournal

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/rotation"
)

// A save in an etcd of three members, which write to the disk of one machine, against one in the embedded store on the
// same disk.
func BenchmarkASaveAgainstTheEmbeddedStore(b *testing.B) {
	w := newWorld(b, 3, etcdtest.Sync())
	s := w.open(b, Options{})
	embedded, err := journal.Open(b.TempDir(), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer embedded.Close()
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			var here, there time.Duration
			for i := 0; b.Loop(); i++ {
				here += saveSide(b, embedded, parallel, i)
				there += saveSide(b, s, parallel, i)
			}
			b.ReportMetric(float64(there)/float64(here), "times-embedded")
		})
	}
}

// saveSide saves so many slots side by side, and returns how long that takes.
func saveSide(b *testing.B, in rotation.Journal, slots, version int) time.Duration {
	b.Helper()
	began := time.Now()
	var all sync.WaitGroup
	for n := range slots {
		all.Go(func() {
			if err := in.Save(b.Context(), journaltest.Record(n, version, 2000)); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	return time.Since(began)
}
