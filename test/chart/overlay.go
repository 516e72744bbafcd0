package chart

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

var yamlBlock = regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```")

// PageExamples returns the YAML that docs/kubernetes.md shows: values of the chart, and
// kustomize's overlays.
func PageExamples() (values, overlays []map[string]any, err error) {
	root, err := Root()
	if err != nil {
		return nil, nil, err
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "kubernetes.md"))
	if err != nil {
		return nil, nil, err
	}
	for _, block := range yamlBlock.FindAllSubmatch(page, -1) {
		var fields map[string]any
		if err := yaml.UnmarshalStrict(block[1], &fields); err != nil {
			return nil, nil, fmt.Errorf("%w:\n%s", err, block[1])
		}
		if _, ok := fields["resources"].([]any); ok {
			overlays = append(overlays, fields)
		} else {
			values = append(values, fields)
		}
	}
	return values, overlays, nil
}

// Kustomize returns what an overlay and its config.yaml are built to, in the folder dir,
// with this repository in place of its address.
func Kustomize(dir string, overlay map[string]any, config string) ([]*unstructured.Unstructured, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	text, err := local(dir, overlay)
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.WriteFile(filepath.Join(dir, "kustomization.yaml"), text, 0o600),
		os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600))
	if err != nil {
		return nil, err
	}
	return kustomized(dir)
}

func kustomized(dir string) ([]*unstructured.Unstructured, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, err
	}
	text, err := built.AsYaml()
	if err != nil {
		return nil, err
	}
	return Decode(string(text))
}

var address = regexp.MustCompile(`https://github\.com/rotatord/rotatord/(/[a-z/]+)\?ref=v[0-9.]+`)

// local returns an overlay that names the repository's folders, as seen from dir, in place of their address.
func local(dir string, overlay map[string]any) ([]byte, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	up, err := filepath.Rel(dir, root)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(overlay)
	return address.ReplaceAll(text, []byte(up+"$1")), err
}
