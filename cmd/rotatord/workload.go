package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/timefmt"
	"github.com/rotatord/rotatord/internal/workload"
)

// sayWorkload says what a configuration will ask of relays, accounts and sinks.
func (a *app) sayWorkload(r *workload.Report) {
	if p := r.Fullest.Places; p.Most > 0 {
		a.say("relays: %s needs most places, %d and at times %d of a relay's %d; others' tokens take places too",
			r.Fullest.Name, p.Usual, p.Most, moq.RelayPlaces)
	}
	for _, account := range r.Accounts {
		a.say("account %s: %s a day", account.Name, aboutCalls(account.Calls))
	}
	for _, sink := range r.Sinks {
		a.say("sink %s: %s a day for %s", sink.Name, aboutCalls(sink.Calls), count(sink.Targets, "target"))
	}
}

// warnWorkload warns of what the request budgets take longer for than anybody expects, and returns how often.
func (a *app) warnWorkload(r *workload.Report) (warned int) {
	for _, b := range r.Budgets {
		who := "account " + strings.Join(b.Accounts, " and ")
		if b.IsTooSmall() || b.Backlog.Slots > 0 {
			warned++
		}
		switch c := b.Backlog; {
		case b.IsTooSmall():
			a.say("warning: %s: the schedules need %s a day, and the request budget takes %s "+
				"(give rarer schedules, or raise rate_limit)", who, aboutCalls(b.Calls), withSeparators(b.PerDay))
		case c.Slots > 0:
			a.say("warning: %s: %s are due at %s or soon after, and the request budget takes about %s until the last "+
				"of them has its token (spread them by jitter or other schedules, or raise rate_limit)",
				who, count(c.Slots, "slot"), timefmt.Stamp(c.At), timefmt.Compact(c.Takes))
		}
	}
	return warned
}

func aboutCalls(n float64) string {
	switch {
	case n == 0:
		return "no calls"
	case n < 1:
		return "less than 1 call"
	case math.Round(n) == 1:
		return "about 1 call"
	}
	return "about " + withSeparators(n) + " calls"
}

// withSeparators writes a number to be read by people: rounded, and in groups of three digits.
func withSeparators(n float64) string {
	text := fmt.Sprintf("%.0f", n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
