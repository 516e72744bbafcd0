package slot

import (
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/scheduler"
)

// A jitter may be longer than the gap: a run then meets all that came due while its own instant's jitter passed.
func TestAForecastShowsNoRunThatTheOneBeforeItMeets(t *testing.T) {
	hourly, err := scheduler.Parse("@hourly", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	delay := func(instant time.Time) time.Duration {
		if instant.Hour()%2 == 1 {
			return 90 * time.Minute
		}
		return 10 * time.Minute
	}
	p := &Plan{Policy: &Policy{Strategy: moq.Overlap, Initial: InitialSchedule, CatchUp: true}, Schedule: hourly, Delay: delay}
	var got []string
	for _, r := range FirstForecast(p, time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC), time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)) {
		got = append(got, r.At.Format("15:04"))
	}
	if want := []string{"14:30", "16:30", "18:30"}; !slices.Equal(got, want) {
		t.Errorf("runs at %v, want %v", got, want)
	}
}
