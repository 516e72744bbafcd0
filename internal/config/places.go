package config

import (
	"fmt"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// Places are how many of a relay's places its slots take at once.
type Places struct {
	Usual int // as rotations go: overlap has a token and the one before it, or the one after
	Most  int // when a mint's answer was lost, or a rotation is asked for during a grace
}

// PlacesOf returns the places that slots of one relay take. Tokens that others made, and that
// retire: matching has revoked, come on top: no configuration shows how many they are.
func PlacesOf(plans []*slot.Plan) Places {
	var p Places
	for _, plan := range plans {
		if plan.Strategy == moq.InPlace {
			p.Usual, p.Most = p.Usual+1, p.Most+1
			continue
		}
		p.Usual, p.Most = p.Usual+2, p.Most+3
	}
	return p
}

// whatIsWrongWithRoom says what is wrong with the places that a relay's slots take; "" when nothing is.
func whatIsWrongWithRoom(plans []*slot.Plan) (text, hint string, fatal bool) {
	switch p := PlacesOf(plans); {
	case p.Usual > moq.RelayPlaces:
		return fmt.Sprintf("its %d slots take %d places at once, and a relay has %d", len(plans), p.Usual, moq.RelayPlaces),
			"under overlap a slot takes two, since the token before lives on for its grace; use several relays", true
	case p.Most > moq.RelayPlaces:
		return fmt.Sprintf("its %d slots may take %d places at once, and a relay has %d: rotations may then wait, or fail",
			len(plans), p.Most, moq.RelayPlaces), "three for each slot under overlap are enough, whatever happens", false
	}
	return "", "", false
}

func (r *resolver) checkRoom(plans []*slot.Plan, p *path) {
	switch text, hint, fatal := whatIsWrongWithRoom(plans); {
	case fatal:
		r.diagnose(p.child("tokens"), text, hint)
	case text != "":
		r.warn(p.child("tokens"), text, hint)
	}
}
