package slot

import (
	"math"
	"time"
)

// Timestamp is a time in nanoseconds since 1970; zero is none. A fleet's records keep
// many, and it takes a third of a time.Time. In JSON it is what a time.Time in UTC is.
type Timestamp int64

// TimestampOf returns the timestamp of a time. One more than 250 years away is as far as a
// Timestamp reaches.
func TimestampOf(t time.Time) Timestamp {
	switch {
	case t.IsZero():
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	}
	return Timestamp(t.UnixNano())
}

// Time is m in UTC; the zero time when there is none.
func (m Timestamp) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(m)).UTC()
}

// IsZero reports whether there is none.
func (m Timestamp) IsZero() bool { return m == 0 }

// Add is the moment d after m.
func (m Timestamp) Add(d time.Duration) Timestamp { return m + Timestamp(d) }

// MarshalJSON implements json.Marshaler.
func (m Timestamp) MarshalJSON() ([]byte, error) { return m.Time().MarshalJSON() }

// UnmarshalJSON implements json.Unmarshaler.
func (m *Timestamp) UnmarshalJSON(b []byte) error {
	var t time.Time
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	*m = TimestampOf(t)
	return nil
}
