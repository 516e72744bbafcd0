package cluster

import (
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/loader"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rotatord/rotatord/test/chart"
)

// An overlay's objects are applied, then those of one with another configuration.
func testKustomize(t *testing.T, w *world) {
	for namespace, overlay := range overlays(t) {
		t.Run(namespace, func(t *testing.T) {
			w.addNamespace(t, namespace)
			w.applyOverlay(t, namespace, overlay, "instance: before\n")
			set := must(w.client.AppsV1().StatefulSets(namespace).Get(t.Context(), "rotatord", metav1.GetOptions{}))(t)
			if err := w.createPod(t, set); err != nil {
				t.Errorf("its Pod is not let in: %v", err)
			}
			w.applyOverlay(t, namespace, overlay, "instance: after\n")
			again := must(w.client.AppsV1().StatefulSets(namespace).Get(t.Context(), "rotatord", metav1.GetOptions{}))(t)
			if again.Generation == set.Generation {
				t.Error("another configuration does not restart it")
			}
			w.expectNoWarning(t)
		})
	}
}

// overlays are one of the base alone, and that of docs/kubernetes.md.
func overlays(t *testing.T) map[string]map[string]any {
	t.Helper()
	_, examples, err := chart.PageExamples()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for _, page := range examples {
		all["the-pages-overlay"] = withNamespace(page, "the-pages-overlay")
		all["the-base"] = withNamespace(page, "the-base")
		delete(all["the-base"], "components")
	}
	return all
}

func withNamespace(overlay map[string]any, namespace string) map[string]any {
	return loader.MergeMaps(overlay, map[string]any{"namespace": namespace})
}

func (w *world) applyOverlay(t *testing.T, namespace string, overlay map[string]any, config string) {
	t.Helper()
	built, err := chart.Kustomize(t.TempDir(), overlay, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range built {
		must(w.apply(namespace, string(must(yaml.Marshal(o.Object))(t))))(t)
	}
}
