package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestARelaysSlotsMustFitIntoItsTenPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		overlap, inPlace int
		want             Places
		fatal            bool
		text             string
	}{
		"one slot":                                     {1, 0, Places{2, 3}, false, ""},
		"an in_place slot has one token":               {0, 2, Places{2, 2}, false, ""},
		"three slots of three are nine":                {3, 0, Places{6, 9}, false, ""},
		"one place is left for a fourth":               {3, 1, Places{7, 10}, false, ""},
		"four slots fit, but not with three each":      {4, 0, Places{8, 12}, false, "its 4 slots may take 12 places at once"},
		"five slots have no place to spare":            {5, 0, Places{10, 15}, false, "its 5 slots may take 15 places"},
		"six slots do not fit":                         {6, 0, Places{12, 18}, true, "its 6 slots take 12 places at once"},
		"five slots beside one of in_place":            {5, 1, Places{11, 16}, true, "its 6 slots take 11 places at once"},
		"a relay may be full of tokens of one's own":   {0, 10, Places{10, 10}, false, ""},
		"and not more than full, whatever they may be": {0, 11, Places{11, 11}, true, "its 11 slots take 11 places at once"},
	} {
		t.Run(name, func(t *testing.T) {
			plans := slices.Repeat([]*slot.Plan{{Policy: &slot.Policy{Strategy: moq.Overlap}}}, c.overlap)
			plans = append(plans, slices.Repeat([]*slot.Plan{{Policy: &slot.Policy{Strategy: moq.InPlace}}}, c.inPlace)...)
			if got := PlacesOf(plans); got != c.want {
				t.Errorf("places %+v, want %+v", got, c.want)
			}
			text, hint, fatal := whatIsWrongWithRoom(plans)
			silent := text == ""
			if fatal != c.fatal || !strings.HasPrefix(text, c.text) || silent != (c.text == "") || silent != (hint == "") {
				t.Errorf("%q (%s), fatal: %t; want %q, fatal: %t", text, hint, fatal, c.text, c.fatal)
			}
		})
	}
}

func TestAFileIsWarnedWhereARelaysSlotsMayTakeMoreThanItsPlaces(t *testing.T) {
	cfg := parse(t, change(t, "subscribe: {}", "subscribe: {}\n      publish: {}\n      a: &a {operations: [publish]}\n      b: *a\n      c: *a"))
	want := "config.yaml:10:5: relays.live-main.tokens: its 5 slots may take 15 places at once, and a relay has 10: " +
		"rotations may then wait, or fail (three for each slot under overlap are enough, whatever happens)"
	if got := besideUnused(cfg).Error(); got != want || len(cfg.Plans()) != 5 {
		t.Errorf("%d slots, warnings\n%s\nwant\n%s", len(cfg.Plans()), got, want)
	}
}
