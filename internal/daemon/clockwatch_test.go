package daemon

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// settable has clocks that the test moves, and notes what is told of them.
type settable struct {
	mu     sync.Mutex
	set    time.Duration // the wall clock was set by so much
	slept  time.Duration // the machine was suspended for so long
	told   []string
	inHand clocks // the first reading
}

func (m *settable) read() clocks {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := clocks{time.Now().Add(m.slept + m.set), time.Since(time.Unix(0, 0)) + m.slept}
	if m.inHand.wall.IsZero() {
		m.inHand = now
	}
	return now
}

func (m *settable) stoodStill(gap time.Duration) {
	m.told = append(m.told, "stood still for "+gap.String())
}

func (m *settable) clockStepped(now time.Time, by time.Duration) {
	m.told = append(m.told, fmt.Sprintf("stepped by %s to %s", by, now.Sub(m.inHand.wall)))
}

func TestStepsOfTheClockAndStandstillsAreToldApart(t *testing.T) {
	const check = 30 * time.Second
	for name, tt := range map[string]struct {
		happens func(*settable)
		want    []string
	}{
		"nothing":        {func(*settable) {}, nil},
		"slewed":         {func(m *settable) { m.set = -time.Second }, nil},
		"set ahead":      {func(m *settable) { m.set = 3 * time.Hour }, []string{"stepped by 3h0m0s to 4h0m30s"}},
		"set back":       {func(m *settable) { m.set = -time.Hour }, []string{"stepped by -1h0m0s to 30s"}},
		"set a little":   {func(m *settable) { m.set = 1100 * time.Millisecond }, []string{"stepped by 1.1s to 1h0m31.1s"}},
		"suspended":      {func(m *settable) { m.slept = 2 * time.Hour }, []string{"stood still for 2h0m30s"}},
		"both":           {func(m *settable) { m.slept, m.set = 2*time.Hour, time.Hour }, []string{"stepped by 1h0m0s to 4h0m30s", "stood still for 2h0m30s"}},
		"both, opposite": {func(m *settable) { m.slept, m.set = 2*time.Hour, -2*time.Hour }, []string{"stepped by -2h0m0s to 1h0m30s", "stood still for 2h0m30s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				m, ended := &settable{}, make(chan struct{})
				go func() {
					watchClocks(ctx, m.read, m)
					close(ended)
				}()
				wait(ctx, time.Hour+check/2)
				m.mu.Lock()
				tt.happens(m)
				m.mu.Unlock()
				wait(ctx, time.Hour)
				stop()
				<-ended
				if !slices.Equal(m.told, tt.want) {
					t.Errorf("told %q, want %q", m.told, tt.want)
				}
			})
		})
	}
}

func TestBothClocksAreReadAtOnce(t *testing.T) {
	a := readClocks()
	b := readClocks()
	if step := b.stepSince(a); step != 0 {
		t.Errorf("the clock is said to have been set by %s", step)
	}
}
