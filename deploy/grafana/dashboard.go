package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// build puts the rows together: the overview, and below it one closed row for each part.
func build() (dashboard.Dashboard, error) { //nolint:staticcheck // the newer form needs Grafana 12
	b := dashboard.NewDashboardBuilder("rotatord") //nolint:staticcheck // as above
	b.Uid("rotatord").Tags([]string{"rotatord", "cloudflare", "moq"}).
		Description("Rotation of Cloudflare MoQ relay tokens. Made by the program in deploy/grafana: change that.").
		Time("now-6h", "now").Refresh("1m").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Variables(variables()).Annotation(firing()).
		Link(made(link("Runbooks", documents+"runbooks.md"))).Link(made(link("Metrics", documents+"metrics.md")))
	ids := &numbers{}
	for _, p := range overview() {
		b.WithPanel(ids.next(p))
	}
	for _, r := range []row{ages(), durations(), sinks(), cloudflare(), daemons()} {
		b.WithRow(r.builder(ids))
	}
	return b.Build()
}

// row is a part of the dashboard that is closed until somebody opens it.
type row struct {
	title  string
	panels []panel
}

func (r row) builder(ids *numbers) *dashboard.RowBuilder {
	b := dashboard.NewRowBuilder(r.title).Collapsed(true).Id(ids.count())
	for _, p := range r.panels {
		b.WithPanel(ids.next(p))
	}
	return b
}

// numbers gives each panel an id, by which links to a single panel go.
type numbers struct{ last uint32 }

func (n *numbers) count() uint32 {
	n.last++
	return n.last
}

func (n *numbers) next(p panel) cog.Builder[dashboard.Panel] {
	built, err := p.Build()
	built.Id = new(n.count())
	return builtOnce[dashboard.Panel]{built, err}
}

// builtOnce is what was built already, where the SDK wants a builder.
type builtOnce[T any] struct {
	thing T
	err   error
}

// Build implements cog.Builder.
func (b builtOnce[T]) Build() (T, error) { return b.thing, b.err }

func made[T any](thing T) builtOnce[T] { return builtOnce[T]{thing: thing} }

// alerts are those of rotatord that fire, of the chosen daemons or of none in particular.
const alerts = `ALERTS{alertname=~"MoQ.+",alertstate="firing",job=~"$job|"}`

// firing marks, on every graph, since when an alert fires.
func firing() cog.Builder[dashboard.AnnotationQuery] {
	return dashboard.NewAnnotationQueryBuilder().Name("Alerts").Enable(true).IconColor("red").Datasource(*source()).
		Expr("count by (alertname) (" + alerts + ")").TitleFormat("{{alertname}}").TagKeys("alertname")
}
