package chart

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// objects returns what is rendered with testdata/values.yaml and others on top of it.
func objects(t *testing.T, others string) []*unstructured.Unstructured {
	t.Helper()
	values, err := Values(others)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Objects(values)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// lookUp returns what stands at a path such as "Service spec.ports.0.port", nil
// when there is nothing, or no such object.
func lookUp(all []*unstructured.Unstructured, path string) any {
	kind, way, _ := strings.Cut(path, " ")
	for _, o := range all {
		if o.GetKind() == kind {
			return descend(o.Object, strings.Split(way, "."))
		}
	}
	return nil
}

// descend goes down by keys and, in lists, by positions or names. A key with dots in
// it is written with backslashes for them.
func descend(at any, way []string) any {
	for _, step := range way {
		switch here := at.(type) {
		case map[string]any:
			at = here[strings.ReplaceAll(step, `\`, ".")]
		case []any:
			at = element(here, step)
		default:
			return nil
		}
	}
	return at
}

func element(list []any, step string) any {
	if i, err := strconv.Atoi(step); err == nil && i < len(list) {
		return list[i]
	}
	for _, e := range list {
		if m, ok := e.(map[string]any); ok && m["name"] == step {
			return e
		}
	}
	return nil
}

// expect compares what stands at a path with YAML; "" expects nothing there.
func expect(t *testing.T, all []*unstructured.Unstructured, path, want string) {
	t.Helper()
	var wanted any
	if err := yaml.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if got := lookUp(all, path); !reflect.DeepEqual(got, wanted) {
		text, _ := yaml.Marshal(got)
		t.Errorf("%s is\n%s\nwant %s", path, text, want)
	}
}

func repositoryFile(t *testing.T, path string) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
