package rotation

import (
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// slotsOfRelay finds all slots of a relay that a person names, those that left the
// configuration too; the configured ones are first.
func (e *Engine) slotsOfRelay(name string) ([]*worker, error) {
	k, err := e.relayNamed(name)
	if err != nil {
		return nil, err
	}
	out := e.slots.ofRelay(k)
	slices.SortStableFunc(out, func(a, b *worker) int {
		if left := a.currentPlan() == nil; left != (b.currentPlan() == nil) {
			return map[bool]int{false: -1, true: 1}[left]
		}
		return 0
	})
	return out, nil
}

// relayNamed finds a relay by its name in the configuration, or by its id, or, when it was
// removed, by the name that a slot's last rotation knew it by.
func (e *Engine) relayNamed(name string) (moq.RelayKey, error) {
	if k, ok := e.slots.configured.Load().relay(name); ok {
		return k, nil
	}
	var found []moq.RelayKey
	for _, w := range e.slots.allWorkers() {
		if k := w.record.Key.OfRelay(); !slices.Contains(found, k) && w.isOfRelay(name) {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return moq.RelayKey{}, errSeveralRelays(name, found)
	}
	return moq.RelayKey{}, fault.Newf(fault.Permanent, fault.NotFound, "find relay", name,
		"no such relay is configured, nor is one known that was removed").
		WithHint("`rotatord status` lists the relays; a removed one is also found by its id")
}

func errSeveralRelays(name string, found []moq.RelayKey) error {
	ids := make([]string, len(found))
	for i, k := range found {
		ids[i] = k.RelayID
	}
	slices.Sort(ids)
	return fault.Newf(fault.Permanent, fault.NotFound, "find relay", name, "several removed relays had this name").
		WithHint("give the id of one: %s", strings.Join(ids, ", "))
}

// isOfRelay reports whether the slot's relay has the id, or had the name before the slot left the
// configuration.
func (m *memory) isOfRelay(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	rot := m.record.Rotation
	return m.record.Key.RelayID == name || m.plan == nil && rot != nil && rot.Names.Relay == name
}

// ownersOf returns which other slots of ours own tokens that the slot's relay lists.
func (w *worker) ownersOf(listed []moq.Token) map[string]string {
	owners := map[string]string{}
	for _, other := range w.engine.slots.ofRelay(w.record.Key.OfRelay()) {
		if other != w {
			other.addOwned(owners, listed)
		}
	}
	return owners
}

// addOwned names the slot as the owner of those listed tokens that are its own, or may be.
func (m *memory) addOwned(owners map[string]string, listed []moq.Token) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range listed {
		if m.record.MayOwn(t) {
			owners[t.ID] = m.nameLocked()
		}
	}
}
