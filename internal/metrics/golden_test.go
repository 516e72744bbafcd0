package metrics

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

var update = flag.Bool("update", false, "write the scrapes in testdata anew")

// TestAScrapeIsWrittenAsItEverWas compares whole scrapes, with help, labels and order, with those in testdata.
func TestAScrapeIsWrittenAsItEverWas(t *testing.T) {
	for name, perSlot := range map[string]bool{"per_slot": true, "sums": false} {
		t.Run(name, func(t *testing.T) {
			got, file := ownLines(scrape(t, everyKindOfSeries(t, perSlot), "")), filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the scrape is not that of %s (-update writes it anew):\n%s", file, firstDifference(got, string(want)))
			}
			if twice := twiceIn(got); twice != "" {
				t.Errorf("%s comes twice", twice)
			}
		})
	}
}

// everyKindOfSeries is a fleet with slots in every state, with and without labels,
// and all that is observed beside them.
func everyKindOfSeries(t *testing.T, perSlot bool) *Metrics {
	t.Helper()
	f := fleet{busy(), quiet()}
	slots := refs()
	for i, state := range slot.States() {
		s := busy()
		s.Relay, s.RelayID, s.State, s.ConsecutiveFailures = fmt.Sprintf("r%d", 9-i), fmt.Sprintf("%032x", i), state, i
		s.Labels = map[string]string{"tier": `say "gold"`, "a.b": "1", "a-b": "2"}
		s.Strategy = []moq.Strategy{moq.InPlace, moq.Overlap}[i%2]
		f, slots = append(f, s), append(slots, SlotRef{s.Relay, s.Type, s.Account, s.Strategy})
	}
	m := newMetrics(t, perSlot)
	m.Watch(f)
	m.Configure(slots, sinkRefs(), []string{"main", "other"})
	exercise(m)
	for i, r := range slot.Results() {
		p := &slot.Plan{Relay: fmt.Sprintf("r%d", 9-i), Key: moq.Key{Type: moq.Subscribe}}
		m.RotationCounted(p, moq.Overlap, r, 3*time.Second)
	}
	m.AttemptFailed("main", slot.StageMint, "unauthorized")
	m.LagMeasured(time.Second / 4)
	m.BlackoutEnded(2 * time.Second)
	m.Drifted("vault")
	m.Delivered("disk", "file", true, time.Millisecond)
	m.Delivered("vault", "vault", false, time.Minute)
	m.Request("other", "create", "201", time.Second/5)
	m.JournalWrite(time.Millisecond, os.ErrClosed)
	m.Reloaded(true, now)
	m.Leader(now)
	m.ReplicaConfig("moq1:9476", "0123")
	return m
}

// ownLines are the lines of rotatord's own metrics, whatever Go they were built with.
func ownLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		zero := strings.HasPrefix(line, namespace+"_rotation_failures_total") && strings.HasSuffix(line, " 0\n") // hundreds
		if strings.HasPrefix(name, namespace+"_") && !zero {
			b.WriteString(strings.Replace(line, runtime.Version(), "go1", 1))
		}
	}
	return b.String()
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// twiceIn is a series that comes twice, if one does.
func twiceIn(text string) string {
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		series := line[:strings.LastIndex(line, " ")]
		if !strings.HasPrefix(line, "#") && seen[series] {
			return series
		}
		seen[series] = true
	}
	return ""
}
