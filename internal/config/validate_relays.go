package config

import (
	"github.com/rotatord/rotatord/internal/moq"
)

const retireMatching = "matching"

func (v *validator) checkRelays() {
	names := sortedNames(v.cfg.Relays)
	owners := make(map[moq.RelayKey]string, len(names))
	all := topLevel("relays")
	for _, name := range names {
		relay, p := v.cfg.Relays[name], all.child(name)
		v.checkName(p)
		if relay == nil {
			continue
		}
		v.checkRelay(relay, p)
		v.checkOwner(owners, moq.RelayKey{AccountID: v.cfg.accountID(v.cfg.accountOf(relay)), RelayID: relay.ID}, p)
	}
	if len(names) == 0 {
		v.warn(all, "there are no relays: nothing will be rotated", "")
	}
}

// checkOwner refuses that two relays of the file are one.
func (v *validator) checkOwner(owners map[moq.RelayKey]string, key moq.RelayKey, p *path) {
	if key.AccountID == "" || key.RelayID == "" {
		return
	}
	if first, taken := owners[key]; taken {
		v.diagnose(p.child("id"), "this relay of the account is already configured as relays."+shownName(first),
			"keep one of them")
		return
	}
	owners[key] = p.key
}

func (v *validator) checkRelay(r *Relay, p *path) {
	v.checkID(p.child("id"), r.ID)
	v.checkAccountRef(r.Account, p)
	if v.cfg.accountOf(r) == "" {
		v.diagnose(p.child("account"), "the relay has no account",
			"give it here or in defaults"+among(shownNames(v.cfg.Accounts)))
	}
	v.checkSettings(&r.Settings, p)
	for _, name := range sortedNames(r.Labels) {
		v.require(labelPattern.MatchString(name), p.child("labels").child(name),
			"a label's name is made of letters, digits and _", "")
	}
	if len(r.Tokens) == 0 {
		v.diagnose(p.child("tokens"), "a relay needs at least one token",
			"publish_subscribe: {}, subscribe: {}, publish: {}, or one of your own name with operations")
	}
	for _, typ := range sortedNames(r.Tokens) {
		if t := r.Tokens[typ]; t != nil {
			v.checkToken(typ, t, p.child("tokens").child(string(typ)))
		}
	}
}

func (v *validator) checkToken(typ moq.TokenType, t *Token, p *path) {
	v.checkOperations(typ, t, p)
	v.checkSettings(&t.Settings, p)
}

func among(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; " + suggestion("", names)
}

// accountOf returns the name of the relay's account; "" when there is none.
func (c *Config) accountOf(r *Relay) string {
	for _, name := range []string{r.Account, c.Defaults.Account} {
		if name != "" {
			return name
		}
	}
	if len(c.Accounts) == 1 {
		return sortedNames(c.Accounts)[0]
	}
	return ""
}

func (c *Config) accountID(name string) string {
	if a := c.Accounts[name]; a != nil {
		return a.AccountID
	}
	return ""
}
