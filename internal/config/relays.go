package config

import (
	"fmt"
	"strings"

	"github.com/rotatord/rotatord/internal/moq"
)

// checkRelays checks the relays and resolves their slots, in order.
func (c *checker) checkRelays() {
	names := sortedNames(c.cfg.Relays)
	c.cfg.slots = make([]Slot, 0, 2*len(names))
	owners := make(map[relayKey]string, len(names))
	all := root("relays")
	for _, name := range names {
		relay, p := c.cfg.Relays[name], all.child(name)
		c.checkName(p)
		if relay == nil {
			continue
		}
		c.checkRelay(relay, p)
		relay.Labels = c.shared(relay.Labels)
		account := c.accountOf(relay, p)
		c.checkOwner(owners, relayKey{c.accountID(account), relay.ID}, p)
		first := len(c.cfg.slots)
		c.addSlots(name, account, relay, p)
		c.checkPlaces(c.cfg.slots[first:], p)
	}
	if len(names) == 0 {
		c.warn(root("relays"), "there are no relays: nothing will be rotated", "")
	}
}

// shared gives the first labels that were equal to these: a fleet has few kinds
// of labels, and a map takes as much memory as a slot's times.
func (c *checker) shared(labels map[string]string) map[string]string {
	var key strings.Builder
	for _, name := range sortedNames(labels) {
		fmt.Fprintf(&key, "%q:%q,", name, labels[name])
	}
	if known, ok := c.labels[key.String()]; ok {
		return known
	}
	c.labels[key.String()] = labels
	return labels
}

type relayKey struct{ accountID, relayID string }

func (c *checker) checkOwner(owners map[relayKey]string, key relayKey, p *path) {
	if key.accountID == "" || key.relayID == "" {
		return
	}
	if first, taken := owners[key]; taken {
		c.fault(p.child("id"), "this relay of the account is already configured as relays."+first, "keep one of them")
		return
	}
	owners[key] = p.key
}

func (c *checker) checkRelay(r *Relay, p *path) {
	c.checkID(p.child("id"), r.ID)
	c.checkAccountRef(r.Account, p)
	c.checkSettings(&r.Settings, p)
	c.warnRetire(r.Retire, p)
	for _, name := range sortedNames(r.Labels) {
		c.require(labelPattern.MatchString(name), p.child("labels").child(name), "a label's name is made of letters, digits and _", "")
	}
	if r.Tokens == (Tokens{}) {
		c.fault(p.child("tokens"), "a relay needs at least one token type", "publish_subscribe: {}, subscribe: {} or both")
	}
}

func (c *checker) warnRetire(retire string, p *path) {
	if retire == retireMatching {
		c.warn(p.child("retire"), "retire: matching also revokes tokens that rotatord did not make", "be sure that nobody else uses tokens of this relay")
	}
}

// accountOf gives the name of the relay's account; "" when there is none.
func (c *checker) accountOf(r *Relay, p *path) string {
	for _, name := range []string{r.Account, c.cfg.Defaults.Account} {
		if name != "" {
			return name
		}
	}
	if len(c.cfg.Accounts) == 1 {
		return sortedNames(c.cfg.Accounts)[0]
	}
	c.fault(p.child("account"), "the relay has no account", "give it here or in defaults"+among(sortedNames(c.cfg.Accounts)))
	return ""
}

func among(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; " + suggestion("", names)
}

func (c *checker) accountID(name string) string {
	if a := c.cfg.Accounts[name]; a != nil {
		return a.AccountID
	}
	return ""
}

func (c *checker) addSlots(name, account string, r *Relay, p *path) {
	for _, typ := range moq.Types() {
		if t := r.Tokens.of(typ); t != nil {
			c.addSlot(name, account, r, typ, t, p)
		}
	}
}
