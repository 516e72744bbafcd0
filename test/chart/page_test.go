package chart

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestTheChartTakesTheValuesOfThePageOnKubernetes(t *testing.T) {
	t.Parallel()
	values, _, err := PageExamples()
	if err != nil || len(values) < 4 {
		t.Fatalf("%d examples of values were found: %v", len(values), err)
	}
	for _, v := range values {
		all, err := Objects(v)
		if err != nil {
			t.Errorf("%v:\n%v", err, v)
		}
		if v["config"] != nil {
			checkConfig(t, lookUp(all, `ConfigMap data.config\yaml`))
		}
	}
}

// The page's overlay, with the repository in place of its address.
func TestKustomizeBuildsTheOverlayOfThePageOnKubernetes(t *testing.T) {
	t.Parallel()
	_, overlays, err := PageExamples()
	if err != nil || len(overlays) != 1 {
		t.Fatalf("%d overlays were found: %v", len(overlays), err)
	}
	all, err := Kustomize(t.TempDir(), overlays[0], "instance: overlay\n")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, all, "StatefulSet metadata.namespace", `moq`)
	expect(t, all, "ServiceMonitor metadata.namespace", `moq`)
	name, _ := lookUp(all, pod+".volumes.config.configMap.name").(string)
	for _, o := range all {
		if o.GetKind() == "ConfigMap" && o.GetName() == name && strings.HasPrefix(name, "rotatord-config-") {
			expect(t, []*unstructured.Unstructured{o}, "ConfigMap data", `{config.yaml: "instance: overlay\n"}`)
			return
		}
	}
	t.Errorf("the Pod mounts %q, which is not named after its content", name)
}

// The page has it that the base of replicas takes the place of the other one.
func TestKustomizeBuildsTheOverlayOfReplicas(t *testing.T) {
	t.Parallel()
	_, overlays, err := PageExamples()
	if err != nil || len(overlays) != 1 {
		t.Fatalf("%d overlays were found: %v", len(overlays), err)
	}
	at := overlays[0]["resources"].([]any)
	at[0] = strings.Replace(at[0].(string), "/base?", "/replicas?", 1)
	all, err := Kustomize(t.TempDir(), overlays[0], "instance: overlay\n")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, all, "StatefulSet spec.replicas", `3`)
	expect(t, all, "PodDisruptionBudget metadata.namespace", `moq`)
	expect(t, all, "ServiceMonitor metadata.namespace", `moq`)
}

func TestRotatordTakesTheConfigurationsOfTheKustomizeBases(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"base", "replicas"} {
		checkConfig(t, repositoryFile(t, "deploy/kustomize/"+base+"/config.yaml"))
	}
}
