package etcdjournal

import (
	"strings"
	"sync/atomic"
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
		if heard := told.Heard > 0; heard != (name != "who followed later on") {
			t.Errorf("%s has heard it at %s", name, told.Heard)
		}
	}
	if told := w.open(t, Options{}).FormerLeaderClock(); !told.Wall.IsZero() {
		t.Errorf("without a copy: %+v", told)
	}
}

// A machine that was suspended knows nothing of meanwhile, though the monotonic clock of its processes stood still.
func TestACopyIsAsOldAsItsMachineWasSuspended(t *testing.T) {
	w := newWorld(t, 1)
	began, suspended := time.Now(), atomic.Int64{}
	elapsed := func() time.Duration { return time.Hour + time.Since(began) + time.Duration(suspended.Load()) }
	p := newProxy(t, strings.TrimPrefix(w.Members[0].Endpoint, "http://"))
	c := w.followAt(t, []string{"http://" + p.address}, FollowOptions{Elapsed: elapsed})
	s := w.open(t, Options{Clock: stoppedClock{}})
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the check is heard", func() bool { return c.LeaderClock().Heard > 0 })
	follows(t, c)
	p.away.Store(true)
	p.cut()
	suspended.Store(int64(24 * time.Hour))
	if heard := c.LeaderClock().Heard; heard < time.Hour || heard > 2*time.Hour {
		t.Errorf("it was heard at %s", heard)
	}
	if behind := c.Behind(); behind < 24*time.Hour {
		t.Errorf("it is %s behind", behind)
	}
	if err := c.Err(); err == nil {
		t.Error("it is good to lead with")
	}
	p.away.Store(false)
	follows(t, c)
	if behind := c.Behind(); behind > time.Hour {
		t.Errorf("it is %s behind, though it follows", behind)
	}
}
