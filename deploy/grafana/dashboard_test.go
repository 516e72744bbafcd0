package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheFileIsWhatTheProgramMakes(t *testing.T) {
	made, err := encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, read(t, "rotatord.json")) {
		t.Error("rotatord.json is another one: run `make dashboard`, and commit what it writes")
	}
}

// The SDK is generated from Grafana's own schemas, of the dashboard and of each panel's options.
func TestGrafanasSchemasTakeTheFile(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	var board dashboard.Dashboard //nolint:staticcheck // the newer form needs Grafana 12
	// It returns an empty list of errors, which is not nil, where it found none in a row.
	if err := board.UnmarshalJSONStrict(read(t, "rotatord.json")); err != nil && err.Error() != "" {
		t.Fatal(err)
	}
	if err := board.Validate(); err != nil {
		t.Error(err)
	}
	if len(panels(t)) < 50 {
		t.Errorf("it has but %d panels", len(panels(t)))
	}
}

// panels are all that are shown, those of closed rows among them.
func panels(t *testing.T) (all []dashboard.Panel) {
	t.Helper()
	board, err := build()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if p.RowPanel != nil {
			all = append(all, p.RowPanel.Panels...)
			continue
		}
		all = append(all, *p.Panel)
	}
	return all
}

func TestEveryPanelSaysWhatItShows(t *testing.T) {
	titles := map[string]bool{}
	for _, p := range panels(t) {
		if titles[*p.Title] {
			t.Errorf("two panels are called %q", *p.Title)
		}
		titles[*p.Title] = true
		if len(*p.Description) < 30 || !strings.HasSuffix(*p.Description, ".") {
			t.Errorf("%s: it is described as %q", *p.Title, *p.Description)
		}
		if *p.FieldConfig.Defaults.Unit == "" || len(p.FieldConfig.Defaults.Thresholds.Steps) == 0 {
			t.Errorf("%s has no unit, or no thresholds", *p.Title)
		}
		for _, target := range p.Targets {
			if q := target.(prometheus.Dataquery); p.Type != "table" && *q.LegendFormat == "" {
				t.Errorf("%s: %s has no legend", *p.Title, q.Expr)
			}
		}
	}
}

func TestPanelsFillTheirLinesAndDoNotOverlap(t *testing.T) {
	taken := map[[2]uint32]string{}
	widest := map[uint32]uint32{}
	for _, p := range panels(t) {
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]uint32{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" || at[0] > 23 {
					t.Fatalf("%s is on %s, or out of sight", *p.Title, other)
				}
				taken[at] = *p.Title
			}
		}
		widest[p.GridPos.Y] = max(widest[p.GridPos.Y], p.GridPos.X+p.GridPos.W)
	}
	for y, x := range widest {
		if x != 24 {
			t.Errorf("the line at %d ends at column %d", y, x)
		}
	}
}

func TestEveryMetricIsShown(t *testing.T) {
	text, err := json.Marshal(panels(t))
	if err != nil {
		t.Fatal(err)
	}
	shown := named(regexp.MustCompile(`\brotatord_\w+`), string(text))
	documented := named(regexp.MustCompile("(?m)^\\| `(rotatord_\\w+)` \\|"), string(read(t, "../../docs/metrics.md")))
	for _, m := range documented {
		if !slices.Contains(shown, m) && !slices.Contains(shown, m+"_bucket") {
			t.Errorf("no panel shows %s", m)
		}
	}
	for _, m := range shown {
		base := strings.TrimSuffix(strings.TrimSuffix(m, "_bucket"), "_count")
		if !slices.Contains(documented, m) && !slices.Contains(documented, base) {
			t.Errorf("a panel asks for %s, which docs/metrics.md does not have", m)
		}
	}
}

// named are the distinct names that a pattern finds, or its group.
func named(pattern *regexp.Regexp, text string) []string {
	names := map[string]bool{}
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		names[m[len(m)-1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func TestAllOfAVariableIsAnyValueAndNoneButOfTheDaemonsThoseThatAreOffered(t *testing.T) {
	for _, b := range variables() {
		v, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		if v.Type != dashboard.VariableTypeQuery {
			continue
		}
		offered := v.Name == "job" || v.Name == "instance"
		if (v.AllValue == nil) != offered || (!offered && *v.AllValue != ".*") {
			t.Errorf("%s: all of it is %v", v.Name, v.AllValue)
		}
		if !*v.IncludeAll || fmt.Sprint(v.Current.Value) == "" {
			t.Errorf("%s: %+v", v.Name, v)
		}
	}
}
