package metrics

import (
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/rotatord/rotatord/internal/slot"
)

// infoFamily builds slot_info, whose labels depend on the relays: every series has
// all names that occur, empty where its relay lacks one.
type infoFamily struct {
	family *dto.MetricFamily
	slots  []slotInfo
	names  map[string]bool // the sanitised label_… names that occur
}

type slotInfo struct {
	account, relay, relayID, strategy, typ *dto.LabelPair
	labels                                 map[string]string // by sanitised name
}

func newInfoFamily() infoFamily {
	return infoFamily{
		family: gaugeFamily("slot_info", "What the slot is, with the relay's labels; always 1."),
		names:  map[string]bool{},
	}
}

func (f *infoFamily) addInfo(st *slot.Status, relay, typ *dto.LabelPair) {
	labels := sanitised(st.Labels)
	for name := range labels {
		f.names[name] = true
	}
	f.slots = append(f.slots, slotInfo{
		account: pair("account", st.Account), relay: relay, relayID: pair("relay_id", st.RelayID),
		strategy: pair("strategy", string(st.Strategy)), typ: typ, labels: labels,
	})
}

// labelledFamily makes the metrics, now that all names are known.
func (f *infoFamily) labelledFamily() *dto.MetricFamily {
	names := slices.Sorted(maps.Keys(f.names))
	for _, s := range f.slots {
		labels := make([]*dto.LabelPair, 0, len(names)+5)
		labels = append(labels, s.account)
		for _, name := range names {
			labels = append(labels, pair(name, s.labels[name]))
		}
		addGauge(f.family, append(labels, s.relay, s.relayID, s.strategy, s.typ), gaugeOf(1))
	}
	return f.family
}

// sanitised returns a relay's labels under names that every Prometheus takes.
// Where two come to one name, the lesser value stays.
func sanitised(labels map[string]string) map[string]string {
	clean := make(map[string]string, len(labels))
	for key, value := range labels {
		name := labelName(key)
		if other, taken := clean[name]; !taken || value < other {
			clean[name] = value
		}
	}
	return clean
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
