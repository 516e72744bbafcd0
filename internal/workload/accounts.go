package workload

import (
	"maps"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// provenFor is for how long a good answer proves that calls reach Cloudflare: an in_place slot
// that comes later asks for its relay first.
const provenFor = time.Minute

// watchCalls is how many calls a day each account is asked for the time, once an hour, and for how its API token stands.
const watchCalls = 24 + 1

// MintCalls is how many calls one rotation makes until it has its token, without the proof that in_place may need:
// create, or rotate; and a list, where it is to be seen which tokens retire: matching takes over.
func MintCalls(p *slot.Policy) int {
	if p.Matching {
		return 2
	}
	return 1
}

// RetireCalls is how many calls one rotation makes when the grace is over: the revocation of the former token.
func RetireCalls(p *slot.Policy) int {
	if p.Strategy == moq.InPlace {
		return 0
	}
	return 1
}

// accountCalls returns the calls a day by the account's name.
func (f *fleet) accountCalls() map[string]float64 {
	calls := make(map[string]float64, len(f.cfg.Accounts))
	for name := range f.cfg.Accounts {
		calls[name] = watchCalls
	}
	for _, g := range f.groups {
		n := float64(g.slots)
		rate := f.rotationsPerDay(g.first)
		calls[g.first.Account] += n * rate * float64(MintCalls(g.first.Policy)+RetireCalls(g.first.Policy))
		if g.first.Strategy == moq.InPlace {
			calls[g.first.Account] += rate * min(n, 1+float64(g.first.Jitter)/float64(provenFor))
		}
	}
	return calls
}

// accountsByToken returns the accounts whose API token has one source: they share a budget.
func accountsByToken(accounts map[string]*config.Account) [][]string {
	var out [][]string
	index := map[string]int{}
	for _, name := range sortedNames(accounts) {
		key := accounts[name].APIURL + " " + accounts[name].APIToken.String()
		i, known := index[key]
		if !known {
			i = len(out)
			index[key], out = i, append(out, nil)
		}
		out[i] = append(out[i], name)
	}
	return out
}

// tightestLimit returns the limit that a budget which accounts share keeps to.
func tightestLimit(accounts map[string]*config.Account, names []string) config.RateLimit {
	rate := func(l config.RateLimit) float64 { return float64(l.Requests) * l.Share / l.Per.Seconds() }
	limit := accounts[names[0]].RateLimit
	for _, name := range names[1:] {
		if l := accounts[name].RateLimit; rate(l) < rate(limit) {
			limit = l
		}
	}
	return limit
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
