package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/test/harness"
)

const board = "grafana/rotatord.json"

// The chart's folder is all that Helm packs, so what it shares with others is there again.
func TestTheChartHoldsWhatTheRestOfDeployHolds(t *testing.T) {
	for to, from := range map[string]string{
		"helm/files/rotatord.rules.yaml": rulesFile,
		"helm/files/rotatord.json":       board,
	} {
		checkMade(t, to, read(t, from))
	}
}

// Helm looks at the whole configuration with the schema that editors use.
func TestTheSchemaOfTheChartsValuesHoldsTheConfigurations(t *testing.T) {
	const path = "helm/values.schema.json"
	var values, config map[string]any
	harness.Check(t, errors.Join(json.Unmarshal([]byte(read(t, path)), &values), json.Unmarshal(Schema, &config)))
	config["$id"] = "config.schema.json" // its references lead into itself
	values["$defs"].(map[string]any)["config"] = config
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	harness.Check(t, e.Encode(values))
	checkMade(t, path, b.String())
}

// checkMade fails the test when a file is not what it is made to be, or writes it with -update.
func checkMade(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		harness.Check(t, os.WriteFile(path, []byte(want), 0o644))
	}
	if read(t, path) != want {
		t.Errorf("%s is stale: make chart", path)
	}
}

// What is made with Helm is made and compared whole by the chart's own tests, which take minutes to build.
func TestTheKustomizeComponentHoldsTheSameRulesAndDashboard(t *testing.T) {
	const component = "kustomize/monitoring/monitoring.yaml"
	var rules map[string]any
	harness.Check(t, yaml.Unmarshal([]byte(read(t, rulesFile)), &rules))
	objects := map[string]object{}
	for decoder := yaml.NewDecoder(strings.NewReader(read(t, component))); ; {
		var o object
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		objects[o.Kind] = o
	}
	if !reflect.DeepEqual(objects["PrometheusRule"].Spec, rules) {
		t.Errorf("%s: the rules are other ones: make chart", component)
	}
	if objects["ConfigMap"].Data["rotatord.json"] != read(t, board) {
		t.Errorf("%s: the dashboard is another one: make chart", component)
	}
}

// object is what of one of Kubernetes' objects is looked at here.
type object struct {
	Kind string
	Spec map[string]any
	Data map[string]string
}
