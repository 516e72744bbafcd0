package metrics

import (
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// foreignTokens counts the tokens of other living installations of the same name, by account. A
// relay's slots all know of them.
type foreignTokens struct {
	of     map[string]map[string]bool // ids by account
	family *dto.MetricFamily
}

func newForeignTokens() foreignTokens {
	return foreignTokens{map[string]map[string]bool{}, gaugeFamily("foreign_instance_tokens",
		"Tokens of the account's relays that another living installation of the same name minted.")}
}

// addAccount makes the account's count exist, at zero.
func (f *foreignTokens) addAccount(account string) { f.addTokens(account) }

func (f *foreignTokens) addTokens(account string, ids ...string) {
	if f.of[account] == nil {
		f.of[account] = map[string]bool{}
	}
	for _, id := range ids {
		f.of[account][id] = true
	}
}

func (f *foreignTokens) countFamily() *dto.MetricFamily {
	for _, account := range slices.Sorted(maps.Keys(f.of)) {
		addGauge(f.family, []*dto.LabelPair{pair("account", account)}, gaugeOf(float64(len(f.of[account]))))
	}
	return f.family
}
