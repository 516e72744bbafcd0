package e2e

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

// shown is a dashboard on a Prometheus that scrapes each second, and has watched since began.
type shown struct {
	board
	t     *testing.T
	prom  *harness.Prometheus
	began time.Time
}

// all are the choices of who opens the dashboard and chooses nothing.
func (s *shown) all() choices { return s.choose(func(v variable) bool { return v.AllValue == "" }) }

// each are the choices of who ticks every value of every variable, one by one.
func (s *shown) each() choices { return s.choose(func(variable) bool { return true }) }

// choose has the variables that are listed be each of their values, or all if there is none.
func (s *shown) choose(listed func(variable) bool) choices {
	s.t.Helper()
	watched := fmt.Sprintf("%.0fs", time.Since(s.began).Seconds())
	c := choices{"__interval": "1s", "__interval_ms": "1000", "__rate_interval": "4s", "__range": watched}
	for _, v := range s.Templating.List {
		if v.Type != "query" {
			continue
		}
		c[v.Name] = v.AllValue
		if values := s.values(v, c); listed(v) && (v.AllValue == "" || len(values) > 0) {
			c[v.Name] = "(" + strings.Join(values, "|") + ")"
		}
	}
	return c
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// values are what a variable offers, escaped as Grafana does it for an expression.
func (s *shown) values(v variable, c choices) (values []string) {
	s.t.Helper()
	m := labelValues.FindStringSubmatch(v.Definition)
	if m == nil {
		s.t.Fatalf("the variable %s is asked for by %q", v.Name, v.Definition)
	}
	series, err := s.prom.Query("group by (" + m[2] + ") (last_over_time(" + c.substitute(s.t, m[1]) + "[1h]))")
	harness.Check(s.t, err)
	for _, one := range series {
		values = append(values, strings.ReplaceAll(regexp.QuoteMeta(one.Labels[m[2]]), `\`, `\\`))
	}
	slices.Sort(values)
	return values
}

// answer is what Prometheus says to a query over some time.
type answer struct {
	target
	expr   string
	series []harness.Series
}

// ask asks a panel's queries from a time on until now.
func (s *shown) ask(p panel, c choices, from time.Time) (answers []answer) {
	s.t.Helper()
	for _, q := range p.Targets {
		expr := c.substitute(s.t, q.Expr)
		answers = append(answers, answer{q, expr, s.seconds(expr, from)})
	}
	return answers
}

// seconds returns an expression's values of each second, of which the last is now.
func (s *shown) seconds(expr string, from time.Time) []harness.Series {
	s.t.Helper()
	now := time.Now()
	series, err := s.prom.QueryRange(expr, now.Add(-now.Sub(from).Truncate(time.Second)), now, time.Second)
	harness.Check(s.t, err)
	return series
}

// isEmpty reports whether Grafana has nothing to show.
func (a answer) isEmpty() bool {
	return !a.has(func(v float64) bool { return !math.IsNaN(v) })
}

// isZero reports whether it shows nothing but zeros.
func (a answer) isZero() bool {
	return !a.has(func(v float64) bool { return !math.IsNaN(v) && v != 0 })
}

// has reports whether a value is ok; a native histogram always is.
func (a answer) has(ok func(float64) bool) bool {
	return slices.ContainsFunc(a.series, func(one harness.Series) bool {
		return len(one.Histograms) > 0 || slices.ContainsFunc(one.Values, func(p harness.Point) bool { return ok(p.Value) })
	})
}

// checkLegend demands that the series of a query have names of their own.
func (s *shown) checkLegend(p panel, a answer) {
	s.t.Helper()
	if p.Type == "table" || p.Type == "heatmap" || a.LegendFormat == "" {
		return
	}
	names := map[string]bool{}
	for _, one := range a.series {
		name, empty := a.legend(one.Labels)
		if len(empty) > 0 {
			s.t.Errorf("%s %s: the legend's %v are empty: %v", p.Title, a.RefID, empty, one.Labels)
		}
		if names[name] {
			s.t.Errorf("%s %s: two series are called %q", p.Title, a.RefID, name)
		}
		names[name] = true
	}
}

// number returns the one value that a query has now, 0 if it has none.
func (s *shown) number(p panel, q target, c choices) (float64, error) {
	s.t.Helper()
	series, err := s.prom.Query(c.substitute(s.t, q.Expr))
	if err != nil || len(series) == 0 {
		return 0, err
	}
	if len(series) > 1 {
		return 0, fmt.Errorf("%s shows %d numbers", p.Title, len(series))
	}
	return series[0].Value.Value, nil
}
