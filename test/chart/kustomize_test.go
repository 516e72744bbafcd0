package chart

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const madeBy = "# Made from the chart by `make chart`.\n"

// The base and its component are the chart's objects, without what only Helm has to say.
func TestTheKustomizeBaseIsTheChart(t *testing.T) {
	t.Parallel()
	all := objects(t, `monitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}`)
	base, monitoring, config := split(all)
	checkMade(t, "deploy/kustomize/base/rotatord.yaml", encode(t, base))
	checkMade(t, "deploy/kustomize/base/config.yaml", []byte(exampleConfig+config))
	checkMade(t, "deploy/kustomize/monitoring/monitoring.yaml", encode(t, monitoring))
}

func TestTheKustomizeBaseOfReplicasIsTheChart(t *testing.T) {
	t.Parallel()
	base, _, config := split(replicas(t, ``))
	checkMade(t, "deploy/kustomize/replicas/rotatord.yaml", encode(t, base))
	checkMade(t, "deploy/kustomize/replicas/config.yaml", []byte(exampleConfig+config))
}

const exampleConfig = "# An example: an overlay puts its own in its place. What stands under server and state is to stay.\n"

// split tells the base from the component; the configuration is a file of its own, of
// which kustomize makes the ConfigMap.
func split(all []*unstructured.Unstructured) (base, monitoring []*unstructured.Unstructured, config string) {
	for _, o := range all {
		withoutHelm(o)
		switch {
		case o.GetName() == "rotatord-config":
			config, _, _ = unstructured.NestedString(o.Object, "data", "config.yaml")
		case strings.HasPrefix(o.GetAPIVersion(), "monitoring.coreos.com/"), o.GetName() == "rotatord-dashboard":
			monitoring = append(monitoring, o)
		default:
			base = append(base, o)
		}
	}
	return base, monitoring, config
}

// withoutHelm takes away what kustomize does in its own way (namespace, the restart after
// a changed configuration), and what says that Helm is at work.
func withoutHelm(o *unstructured.Unstructured) {
	unstructured.RemoveNestedField(o.Object, "metadata", "namespace")
	for _, labels := range [][]string{{"metadata", "labels"}, {"spec", "template", "metadata", "labels"}} {
		for _, of := range []string{"helm.sh/chart", "app.kubernetes.io/managed-by"} {
			unstructured.RemoveNestedField(o.Object, append(slices.Clone(labels), of)...)
		}
	}
	unstructured.RemoveNestedField(o.Object, "spec", "template", "metadata", "annotations", "checksum/config")
}

func encode(t *testing.T, all []*unstructured.Unstructured) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(madeBy)
	for _, o := range all {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n")
		b.Write(text)
	}
	return b.Bytes()
}
