package chart

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write anew what is made from other files: `make chart`")

// The chart's folder is all that Helm packs, so what it shares with others is there again.
func TestTheChartHoldsWhatTheRestOfDeployHolds(t *testing.T) {
	t.Parallel()
	for to, from := range map[string]string{
		"deploy/helm/files/rotatord.rules.yaml": "deploy/prometheus/rotatord.rules.yaml",
		"deploy/helm/files/rotatord.json":       "deploy/grafana/rotatord.json",
	} {
		checkMade(t, to, []byte(repositoryFile(t, from)))
	}
}

// Helm looks at the whole configuration with the schema that editors use.
func TestTheSchemaOfTheValuesHoldsTheConfigurations(t *testing.T) {
	t.Parallel()
	const path = "deploy/helm/values.schema.json"
	var values, config map[string]any
	err := errors.Join(json.Unmarshal([]byte(repositoryFile(t, path)), &values),
		json.Unmarshal([]byte(repositoryFile(t, "deploy/config.schema.json")), &config))
	if err != nil {
		t.Fatal(err)
	}
	config["$id"] = "config.schema.json" // its references lead into itself
	values["$defs"].(map[string]any)["config"] = config
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(values); err != nil {
		t.Fatal(err)
	}
	checkMade(t, path, b.Bytes())
}

// checkMade fails the test when a file is not what it is made to be, or writes it with -update.
func checkMade(t *testing.T, path string, want []byte) {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(root, path)
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, want, 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: make chart", path)
	}
}
