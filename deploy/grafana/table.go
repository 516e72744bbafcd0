package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// column is one of a table: the value of a query, or a label's.
type column struct {
	name   string
	expr   string
	label  string // that is shown, in place of the query's value
	unit   string
	limits []limit
}

// addColumns has a table's queries answer a row each, and merges the rows of what has the same labels.
func (p panel) addColumns(drawn *dashboard.Panel) {
	names, order, hidden := map[string]string{}, map[string]int{}, map[string]bool{"Time": true, "namespace": true}
	for i, c := range p.columns {
		field := c.label
		if c.expr != "" {
			drawn.Targets = append(drawn.Targets, cells(refID(len(drawn.Targets)), c.expr))
			value := "Value #" + refID(len(drawn.Targets)-1)
			if field == "" {
				field = value
			}
			hidden[value] = field != value
		}
		names[field], order[field] = c.name, i
		drawn.FieldConfig.Overrides = append(drawn.FieldConfig.Overrides, c.override())
	}
	drawn.Transformations = []dashboard.DataTransformerConfig{
		{Id: "merge", Options: map[string]any{}},
		{Id: "organize", Options: map[string]any{"renameByName": names, "indexByName": order, "excludeByName": hidden}},
	}
}

func cells(refID, expr string) variants.Dataquery {
	return prometheus.Dataquery{
		Expr: expr, RefId: &refID, Instant: new(true), Format: new(prometheus.PromQueryFormatTable), Datasource: source(),
	}
}

func (c column) override() dashboard.DashboardFieldConfigSourceOverrides {
	properties := []dashboard.DynamicConfigValue{{Id: "unit", Value: c.unit}}
	if c.limits != nil {
		properties = append(properties,
			dashboard.DynamicConfigValue{Id: "thresholds", Value: thresholds(c.limits)},
			dashboard.DynamicConfigValue{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}})
	}
	return dashboard.DashboardFieldConfigSourceOverrides{
		Matcher: dashboard.MatcherConfig{Id: "byName", Options: c.name}, Properties: properties,
	}
}
