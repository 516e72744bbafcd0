// Package workload computes what a configuration will ask of relays, request budgets and stores
// before anything runs. It is pure: no network, no files, no clock. Numbers are those of days on which
// all goes well; retries, rotations by hand and logins come on top.
//
// Slots that behave alike are one group, and the instants of their schedules are looked at some
// weeks ahead: what a rotation costs, in calls to Cloudflare and in requests to stores, is added
// up for each day, and the accounts of one API token are gone through at the pace of their budget,
// which tells how long the last slot of a busy hour waits. Of a very large fleet fewer instants are
// looked at, but some of every schedule.
package workload

import (
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/config"
)

// Report is what a configuration will ask for.
type Report struct {
	Fullest  Relay     // the relay whose slots may take most places; the zero value without relays
	Accounts []Account // by name
	Sinks    []Sink    // by name
	Budgets  []Budget  // by their first account's name
}

// Relay says how many of a relay's places its slots take.
type Relay struct {
	Name   string
	Places config.Places
}

// Account says what an account's slots ask of Cloudflare.
type Account struct {
	Name  string
	Calls float64 // a day
}

// Sink says what the slots ask of a store.
type Sink struct {
	Name    string
	Targets int
	Calls   float64 // a day
}

// Budget is what accounts of one API token share.
type Budget struct {
	Accounts []string
	Calls    float64 // a day
	PerDay   float64 // the most that it takes
	// Backlog are the slots that wait longest for each other; Slots is 0 where none waits for longer than a minute,
	// and where the budget takes less than is asked for anyway.
	Backlog Backlog
}

// IsTooSmall reports whether the schedules ask for more than the budget takes.
func (b *Budget) IsTooSmall() bool { return b.Calls > b.PerDay }

// Backlog are slots that are due at one instant, or while those of that instant still wait.
type Backlog struct {
	At    time.Time
	Slots int
	Takes time.Duration // from At until the last of them is minted, by the request budget
}

// Of computes the workload of cfg from the instant now on, as if every slot were seen for the first
// time then: "@every" counts from it.
func Of(cfg *config.Config, now time.Time) *Report {
	f := newFleet(cfg, now)
	r := &Report{Fullest: fullestRelay(cfg), Sinks: f.sinkCalls()}
	calls := f.accountCalls()
	for _, name := range sortedNames(cfg.Accounts) {
		r.Accounts = append(r.Accounts, Account{Name: name, Calls: calls[name]})
	}
	for _, names := range accountsByToken(cfg.Accounts) {
		r.Budgets = append(r.Budgets, f.budgetOf(names, calls))
	}
	return r
}

func (f *fleet) budgetOf(names []string, calls map[string]float64) Budget {
	limit := tightestLimit(f.cfg.Accounts, names)
	newPace := func() *cf.IdlePace { return cf.NewIdlePace(limit.Requests, limit.Per, limit.Share) }
	b := Budget{Accounts: names, PerDay: newPace().PerDay()}
	for _, name := range names {
		b.Calls += calls[name]
	}
	if !b.IsTooSmall() {
		b.Backlog = f.longestBacklog(names, newPace())
	}
	return b
}

// fullestRelay returns the relay whose slots may take most places.
func fullestRelay(cfg *config.Config) (most Relay) {
	for name, plans := range cfg.PlansByRelay() {
		if p := config.PlacesOf(plans); p.Most > most.Places.Most {
			most = Relay{name, p}
		}
	}
	return most
}
