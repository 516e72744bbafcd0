package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// variables are what a reader chooses. All of job and instance are those that are offered: other programs have `up`
// and `process_…` series, too. All of another one is any value and none: with `per_slot: false` there are no relays.
func variables() []cog.Builder[dashboard.VariableModel] {
	const anyOrNone = ".*"
	return []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"),
		choice("job", "Job", "rotatord_build_info"),
		choice("instance", "Instance", `rotatord_build_info{job=~"$job"}`),
		choice("account", "Account", own("budget_waiting")).AllValue(anyOrNone),
		choice("relay", "Relay", own("slot_info", `account=~"$account"`)).AllValue(anyOrNone),
		choice("type", "Token type", own("slot_info", `account=~"$account"`, `relay=~"$relay"`)).AllValue(anyOrNone),
		choice("sink", "Sink", own("sink_drift_total")).AllValue(anyOrNone),
	}
}

// choice is a label's values among some series.
func choice(name, label, series string) *dashboard.QueryVariableBuilder {
	query := "label_values(" + series + ", " + name + ")"
	all := dashboard.VariableOption{
		Text:  dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
		Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
	}
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(*source()).Definition(query).
		Query(dashboard.StringOrMap{Map: map[string]any{"query": query, "refId": "variable-" + name, "qryType": 1}}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(true).IncludeAll(true).Current(all)
}
