// Package chart tests deploy/helm and deploy/kustomize: what they render, and what they refuse.
package chart

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Release and Namespace are what the chart is rendered for.
const (
	Release   = "rotatord"
	Namespace = "moq"
)

// Root returns the repository's folder, from the working directory upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "deploy", "helm", "Chart.yaml")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("the working directory is not in the repository")
}

// Load reads the chart.
func Load() (*chart.Chart, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	return loader.Load(filepath.Join(root, "deploy", "helm"))
}

// Values returns those of testdata/values.yaml with others, as YAML, on top.
func Values(others string) (map[string]any, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	base, err := os.ReadFile(filepath.Join(root, "test", "chart", "testdata", "values.yaml"))
	if err != nil {
		return nil, err
	}
	var below, above map[string]any
	if err := errors.Join(yaml.Unmarshal(base, &below), yaml.Unmarshal([]byte(others), &above)); err != nil {
		return nil, err
	}
	return loader.MergeMaps(below, above), nil
}

// Render returns what `helm template` prints, by file.
func Render(values map[string]any) (map[string]string, error) {
	c, err := Load()
	if err != nil {
		return nil, err
	}
	options := common.ReleaseOptions{Name: Release, Namespace: Namespace, Revision: 1, IsInstall: true}
	input, err := util.ToRenderValues(c, values, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, input)
}

// Objects returns the objects of Render.
func Objects(values map[string]any) ([]*unstructured.Unstructured, error) {
	files, err := Render(values)
	if err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		some, err := Decode(files[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", name, err, files[name])
		}
		all = append(all, some...)
	}
	return all, nil
}

// Decode returns the objects of a YAML stream. A key that stands twice is an error.
func Decode(text string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		var fields map[string]any
		if err := yaml.UnmarshalStrict([]byte(document), &fields); err != nil {
			return nil, err
		}
		if len(fields) > 0 {
			all = append(all, &unstructured.Unstructured{Object: fields})
		}
	}
	return all, nil
}
