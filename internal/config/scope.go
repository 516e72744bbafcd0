package config

// origin is where a setting was given; the larger, the nearer to the slot.
type origin int

const (
	builtIn origin = iota - 1
	inDefaults
	onRelay
	onToken
)

// slotScope is a slot under resolution: its settings from far to near, and where
// they stand.
type slotScope struct {
	layers [3]*Settings // by origin
	paths  [3]*path
}

// pathOf returns where settings of origin o stand; what is built in is missing at the token.
func (s *slotScope) pathOf(o origin) *path {
	if o == builtIn {
		o = onToken
	}
	return s.paths[o]
}

// nearestOf returns the setting that counts and where it was given.
func nearestOf[T any](s *slotScope, get func(*Settings) *T, fallback T) (T, origin) {
	for o := onToken; o > builtIn; o-- {
		if v := get(s.layers[o]); v != nil {
			return *v, o
		}
	}
	return fallback, builtIn
}

func (s *slotScope) sinks() ([]SinkRef, origin) {
	return nearestOf(s, func(s *Settings) *[]SinkRef {
		if s.Sinks == nil {
			return nil
		}
		return &s.Sinks
	}, nil)
}

// ifGiven returns nil for an absent word.
func ifGiven[T ~string](word *T) *T {
	if *word == "" {
		return nil
	}
	return word
}
