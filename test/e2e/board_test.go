package e2e

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

// board is what of Grafana's dashboard Prometheus has to do with.
type board struct {
	Panels      []panel
	Templating  struct{ List []variable }
	Annotations struct {
		List []struct{ Name, Expr string }
	}
}

type panel struct {
	Type, Title, Description string
	Targets                  []target
	Panels                   []panel // of a row
	FieldConfig              struct {
		Defaults struct {
			Custom struct{ DrawStyle string }
		}
	}
}

type target struct{ RefID, Expr, LegendFormat string }

type variable struct{ Name, Type, Definition, AllValue string }

// readBoard reads the dashboard; an annotation is a panel like any other.
func readBoard(t *testing.T) (b board) {
	t.Helper()
	text := harness.Must[[]byte](t)(os.ReadFile("../../deploy/grafana/rotatord.json"))
	harness.Check(t, json.Unmarshal(text, &b))
	for _, row := range b.Panels {
		b.Panels = append(b.Panels, row.Panels...)
	}
	b.Panels = slices.DeleteFunc(b.Panels, func(p panel) bool { return p.Type == "row" })
	for _, a := range b.Annotations.List {
		marks := panel{Title: "annotation " + a.Name, Targets: []target{{RefID: "A", Expr: a.Expr}}}
		b.Panels = append(b.Panels, marks)
	}
	return b
}

// called returns the panel with a title.
func (b board) called(t *testing.T, title string) panel {
	t.Helper()
	i := slices.IndexFunc(b.Panels, func(p panel) bool { return p.Title == title })
	if i < 0 {
		t.Fatalf("no panel is called %q", title)
	}
	return b.Panels[i]
}

// emptyWithoutSlots is in a panel's description that has nothing to show with `per_slot: false`, and names another.
var emptyWithoutSlots = regexp.MustCompile("Empty with `metrics: {per_slot: false}`; “([^”]+)” says the same")

// insteadOf returns the title of the panel to look at with `per_slot: false`; "" when it is p itself.
func (p panel) insteadOf() string {
	if m := emptyWithoutSlots.FindStringSubmatch(p.Description); m != nil {
		return m[1]
	}
	return ""
}

// choices are values of the variables, Grafana's own among them, as they stand in an expression.
type choices map[string]string

var reference = regexp.MustCompile(`\$\{?(\w+)\}?`)

// substitute puts the choices into an expression.
func (c choices) substitute(t *testing.T, expr string) string {
	return reference.ReplaceAllStringFunc(expr, func(ref string) string {
		name := strings.Trim(ref, "${}")
		value, known := c[name]
		if !known {
			t.Errorf("there is no variable %s in %s", name, expr)
		}
		return value
	})
}

var placeholder = regexp.MustCompile(`{{(\w+)}}`)

// legend returns what a series of a query is called; the labels that the name lacks are in empty.
func (q target) legend(labels map[string]string) (name string, empty []string) {
	name = placeholder.ReplaceAllStringFunc(q.LegendFormat, func(ref string) string {
		label := strings.Trim(ref, "{}")
		if labels[label] == "" {
			empty = append(empty, label)
		}
		return labels[label]
	})
	return name, empty
}
