package config

import (
	"errors"
	"math"
	"strings"
	"time"
)

const day = 24 * time.Hour

var errDuration = errors.New("must be a duration with a unit, such as 90s, 12h, 30d or 2w")

// ParseDuration reads a duration as the configuration writes them: Go's syntax
// plus d (24 hours) and w (7 days). Negative durations have no use there and are
// refused. The error says what is wrong without repeating s.
func ParseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	var sum time.Duration
	for rest := s; ; {
		part, after := cutTerm(rest)
		d, err := parseTerm(part)
		if err != nil {
			return 0, err
		}
		if sum += d; sum < 0 {
			return 0, errors.New("is too long")
		}
		if rest = after; rest == "" {
			return sum, nil
		}
	}
}

// cutTerm splits off one number with its unit.
func cutTerm(s string) (term, rest string) {
	unit := strings.IndexFunc(s, func(r rune) bool { return !isNumeric(r) })
	if unit < 0 {
		return s, ""
	}
	end := strings.IndexFunc(s[unit:], isNumeric)
	if end < 0 {
		return s, ""
	}
	return s[:unit+end], s[unit+end:]
}

func isNumeric(r rune) bool { return '0' <= r && r <= '9' || r == '.' }

func parseTerm(term string) (time.Duration, error) {
	if term == "" || !isNumeric(rune(term[0])) {
		return 0, errDuration
	}
	hours := time.Duration(1)
	if n, ok := strings.CutSuffix(term, "d"); ok {
		term, hours = n+"h", 24
	} else if n, ok := strings.CutSuffix(term, "w"); ok {
		term, hours = n+"h", 7*24
	}
	d, err := time.ParseDuration(term)
	switch {
	case err != nil:
		return 0, errDuration
	case d > math.MaxInt64/hours:
		return 0, errors.New("is too long")
	}
	return d * hours, nil //nolint:durationcheck // hours is how many
}

// formatDuration writes d as short as a person would: 30d, 12h, 1h30m.
func formatDuration(d time.Duration) string {
	if d >= 2*day && d%day == 0 {
		return strings.TrimSuffix((d/24).String(), "h0m0s") + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
