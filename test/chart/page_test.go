package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

var yamlBlock = regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```")

// examples returns the YAML that docs/kubernetes.md shows: values of the chart, and
// kustomize's overlays.
func examples(t *testing.T) (values, overlays []map[string]any) {
	t.Helper()
	for _, block := range yamlBlock.FindAllStringSubmatch(repositoryFile(t, "docs/kubernetes.md"), -1) {
		var fields map[string]any
		if err := yaml.UnmarshalStrict([]byte(block[1]), &fields); err != nil {
			t.Fatalf("%v:\n%s", err, block[1])
		}
		if _, ok := fields["resources"].([]any); ok {
			overlays = append(overlays, fields)
		} else {
			values = append(values, fields)
		}
	}
	return values, overlays
}

func TestTheChartTakesTheValuesOfThePageOnKubernetes(t *testing.T) {
	t.Parallel()
	values, _ := examples(t)
	if len(values) < 4 {
		t.Fatalf("%d examples of values were found", len(values))
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
	_, overlays := examples(t)
	if len(overlays) != 1 {
		t.Fatalf("%d overlays were found", len(overlays))
	}
	const config = "instance: overlay\n"
	all := kustomize(t, overlays[0], config)
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

func TestRotatordTakesTheConfigurationOfTheKustomizeBase(t *testing.T) {
	t.Parallel()
	checkConfig(t, repositoryFile(t, "deploy/kustomize/base/config.yaml"))
}

// kustomize returns what an overlay and its config.yaml are built to.
func kustomize(t *testing.T, overlay map[string]any, config string) []*unstructured.Unstructured {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"kustomization.yaml": local(t, dir, overlay), "config.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	all, err := Decode(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var address = regexp.MustCompile(`https://github\.com/rotatord/rotatord/(/[a-z/]+)\?ref=v[0-9.]+`)

// local returns an overlay that names the repository's folders, as seen from dir, in place of their address.
func local(t *testing.T, dir string, overlay map[string]any) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	up, err := filepath.Rel(dir, root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	return address.ReplaceAllString(string(text), up+"$1")
}
