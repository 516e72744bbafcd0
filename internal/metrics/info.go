package metrics

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/rotatord/rotatord/internal/slot"
)

// infos builds slot_info, whose labels depend on the relays: every series has
// all names that occur, empty where its relay lacks one.
type infos struct {
	family *dto.MetricFamily
	slots  []slotInfo
	names  map[string]*string // the sanitised label_… names that occur, by themselves
	known  map[string]*string // by configured label
}

type slotInfo struct {
	account, relay, relayID, strategy, typ *dto.LabelPair
	labels                                 []*dto.LabelPair // label_…, sorted by name
}

func newInfos() infos {
	return infos{
		family: family("slot_info", "What the slot is, with the relay's labels; always 1.", dto.MetricType_GAUGE),
		names:  map[string]*string{}, known: map[string]*string{},
	}
}

func (f *infos) add(s *scan, st *slot.Status, relay, typ *dto.LabelPair) {
	f.slots = append(f.slots, slotInfo{
		account: s.pair(labelAccount, st.Account), relay: relay, relayID: s.pair(labelRelayID, st.RelayID),
		strategy: s.pair(labelStrategy, string(st.Strategy)), typ: typ, labels: f.pairs(s, st.Labels),
	})
}

// pairs gives a relay's labels under their sanitised names. Where two come to
// one name, the lesser value stays.
func (f *infos) pairs(s *scan, labels map[string]string) []*dto.LabelPair {
	list := s.lists.take(len(labels))[:0]
	for key, value := range labels {
		list = append(list, s.pair(f.name(key), value))
	}
	slices.SortFunc(list, func(a, b *dto.LabelPair) int {
		return cmp.Or(strings.Compare(*a.Name, *b.Name), strings.Compare(*a.Value, *b.Value))
	})
	return slices.CompactFunc(list, func(a, b *dto.LabelPair) bool { return *a.Name == *b.Name })
}

// name gives the shared, sanitised name of a configured label.
func (f *infos) name(key string) *string {
	if name := f.known[key]; name != nil {
		return name
	}
	clean := labelName(key)
	if f.names[clean] == nil {
		f.names[clean] = &clean
	}
	f.known[key] = f.names[clean]
	return f.known[key]
}

// finish makes the metrics, now that all names are known.
func (f *infos) finish(s *scan) {
	names := slices.Sorted(maps.Keys(f.names))
	for i := range f.slots {
		slot := &f.slots[i]
		list := append(s.lists.take(len(names) + 5)[:0], slot.account)
		list = f.fill(s, list, slot.labels, names)
		s.add(f.family, append(list, slot.relay, slot.relayID, slot.strategy, slot.typ), s.one)
	}
}

// fill appends a label for every name, from have or empty.
func (f *infos) fill(s *scan, list, have []*dto.LabelPair, names []string) []*dto.LabelPair {
	for _, name := range names {
		if len(have) > 0 && *have[0].Name == name {
			list, have = append(list, have[0]), have[1:]
			continue
		}
		list = append(list, s.pair(f.names[name], ""))
	}
	return list
}

func (f *infos) reset() {
	clear(f.slots)
	f.slots = f.slots[:0]
	clear(f.names)
	clear(f.known)
}

// labelName turns a configured label into one that every Prometheus takes.
func labelName(key string) string {
	return "label_" + strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, key)
}
