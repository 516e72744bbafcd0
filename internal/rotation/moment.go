package rotation

import (
	"math"
	"time"
)

// Moment is a time in nanoseconds since 1970; zero is none. A fleet's records keep
// many, and it takes a third of a time.Time. In JSON it is what a time.Time in UTC is.
type Moment int64

// MomentOf gives the moment of a time. One more than 250 years away is as far as a
// Moment reaches.
func MomentOf(t time.Time) Moment {
	switch {
	case t.IsZero():
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	}
	return Moment(t.UnixNano())
}

// Time is m in UTC; the zero time when there is none.
func (m Moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(m)).UTC()
}

// IsZero tells whether there is none.
func (m Moment) IsZero() bool { return m == 0 }

// Add is the moment d after m.
func (m Moment) Add(d time.Duration) Moment { return m + Moment(d) }

// MarshalJSON implements json.Marshaler.
func (m Moment) MarshalJSON() ([]byte, error) { return m.Time().MarshalJSON() }

// UnmarshalJSON implements json.Unmarshaler.
func (m *Moment) UnmarshalJSON(b []byte) error {
	var t time.Time
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	*m = MomentOf(t)
	return nil
}
