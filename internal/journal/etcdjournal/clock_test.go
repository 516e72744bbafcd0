package etcdjournal

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/slot"
)

// stoppedClock tells one moment.
type stoppedClock struct{}

func (stoppedClock) Now() time.Time { return journaltest.Day() }

func (stoppedClock) Elapsed() slot.Reading { return slot.Reading{Boot: "theirs", Elapsed: time.Hour} }

func TestACheckTellsTheNextLeaderWhatTheClocksSay(t *testing.T) {
	w := newWorld(t, 1)
	c := w.follow(t, FollowOptions{})
	follows(t, c)
	s := w.open(t, Options{Clock: stoppedClock{}})
	if told := c.LeaderClock(); !told.Wall.IsZero() {
		t.Errorf("before any check: %+v", told)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the check is seen", func() bool { return !c.LeaderClock().Wall.IsZero() })
	late := w.follow(t, FollowOptions{})
	follows(t, late)
	for name, told := range map[string]LeaderClock{
		"who followed":          c.LeaderClock(),
		"who followed later on": late.LeaderClock(),
		"who leads next":        w.open(t, Options{Copy: c}).FormerLeaderClock(),
	} {
		if !told.Wall.Equal(journaltest.Day()) || told.Elapsed != (stoppedClock{}).Elapsed() {
			t.Errorf("%s is told %+v", name, told)
		}
		if seen := time.Since(told.Seen) < time.Minute; seen != (name != "who followed later on") {
			t.Errorf("%s has seen it at %s", name, told.Seen)
		}
	}
	if told := w.open(t, Options{}).FormerLeaderClock(); !told.Wall.IsZero() {
		t.Errorf("without a copy: %+v", told)
	}
}
