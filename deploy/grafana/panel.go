package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// panel is what one panel shows.
type panel struct {
	draw   func() cog.Builder[dashboard.Panel] // as what: one of draw.go
	title  string
	tells  string // what it shows, and what to do about it
	empty  string // the panel that has the same by account with `per_slot: false`; "": this one has something then, too
	unit   string
	limits []limit
	none   string   // said where there is no answer
	alerts []string // that go by the same series
	width  uint32   // of 24
	height uint32

	queries []query
	columns []column // of a table, in place of queries
}

// query is one expression, and what its series are called.
type query struct{ expr, legend string }

// limit is the value from which on something has a colour.
type limit struct {
	from  float64
	color string
}

// atMost is for what should be few: from warn on it is orange, from bad on red.
func atMost(warn, bad float64) []limit { return []limit{{warn, "orange"}, {bad, "red"}} }

// atLeast is for what should be much: below warn it is orange, below bad red.
func atLeast(warn, bad float64) []limit {
	const lowest = -1e12
	return []limit{{lowest, "red"}, {bad, "orange"}, {warn, "green"}}
}

// anyIs is for what should not be at all.
func anyIs(color string) []limit { return []limit{{1, color}} }

// exactly is for what should be that number, neither less nor more.
func exactly(n float64) []limit { return []limit{{-1, "red"}, {n, "green"}, {n + 1, "red"}} }

// Build implements the SDK's cog.Builder.
func (p panel) Build() (dashboard.Panel, error) {
	drawn, err := p.draw().Build()
	if err != nil {
		return drawn, err
	}
	drawn.Title, drawn.Description, drawn.Datasource = &p.title, new(p.description()), source()
	drawn.GridPos = &dashboard.GridPos{H: p.height, W: p.width}
	for _, alert := range p.alerts {
		drawn.Links = append(drawn.Links, runbook(alert))
	}
	if drawn.FieldConfig == nil {
		drawn.FieldConfig = dashboard.NewFieldConfigSource()
	}
	fields := &drawn.FieldConfig.Defaults
	fields.Unit, fields.Thresholds = &p.unit, thresholds(p.limits)
	if p.none != "" {
		fields.NoValue = &p.none
	}
	drawn.Targets = p.targets(drawn.Type)
	if p.columns != nil {
		p.addColumns(&drawn)
	}
	return drawn, nil
}

func (p panel) description() string {
	if p.empty == "" {
		return p.tells
	}
	return p.tells + " Empty with `metrics: {per_slot: false}`; “" + p.empty + "” says the same by account."
}

func (p panel) targets(kind string) (targets []variants.Dataquery) {
	for i, q := range p.queries {
		d := prometheus.Dataquery{Expr: q.expr, LegendFormat: &q.legend, RefId: new(refID(i)), Datasource: source()}
		switch kind {
		case "timeseries":
			d.Range = new(true)
		case "heatmap":
			d.Range, d.Format = new(true), new(prometheus.PromQueryFormatHeatmap)
		default:
			d.Instant = new(true)
		}
		targets = append(targets, d)
	}
	return targets
}

// refID names the nth query of a panel.
func refID(n int) string { return string(rune('A' + n)) }

func thresholds(limits []limit) *dashboard.ThresholdsConfig {
	steps := []dashboard.Threshold{{Color: "green"}}
	for _, l := range limits {
		steps = append(steps, dashboard.Threshold{Value: new(l.from), Color: l.color})
	}
	return &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: steps}
}

// source is the data source that the variable names.
func source() *common.DataSourceRef {
	return &common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

const documents = "https://github.com/rotatord/rotatord/blob/main/docs/"

// runbook links an alert's section.
func runbook(alert string) dashboard.DashboardLink {
	return link("Runbook: "+alert, documents+"runbooks.md#"+strings.ToLower(alert))
}

func link(title, url string) dashboard.DashboardLink {
	l := dashboard.NewDashboardLink()
	l.Title, l.Url, l.Type, l.TargetBlank, l.Placement = title, &url, dashboard.DashboardLinkTypeLink, true, nil
	return *l
}
