package config

// warnUnused warns of sinks and accounts that no slot has: nothing is delivered there, and nobody looks whether it
// could be.
func (r *resolver) warnUnused() {
	sinks, accounts := map[string]bool{}, map[string]bool{}
	for _, p := range r.cfg.plans {
		accounts[p.Account] = true
		for _, t := range p.Targets {
			sinks[t.Sink] = true
		}
	}
	for _, name := range sortedNames(r.cfg.Sinks) {
		if !sinks[name] {
			r.warn(topLevel("sinks").child(name), "no slot delivers to this sink",
				"name it in the list `sinks` of a relay, of a token or in defaults, or take it out")
		}
	}
	for _, name := range sortedNames(r.cfg.Accounts) {
		if !accounts[name] {
			r.warn(topLevel("accounts").child(name), "no relay is of this account", "take it out if it is not needed")
		}
	}
}
