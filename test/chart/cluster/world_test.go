package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil" // its module has the operator's CRDs
	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// world is a Kubernetes with the Prometheus operator's CRDs.
type world struct {
	flags    *genericclioptions.ConfigFlags // what kubectl and Helm are told on their command lines
	client   kubernetes.Interface
	warnings warnings
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(startServer(t).kubeconfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{flags: genericclioptions.NewConfigFlags(true)}
	w.flags.KubeConfig, w.flags.CacheDir = &kubeconfig, &dir
	w.flags.WrapConfigFn = func(c *rest.Config) *rest.Config {
		c.WarningHandlerWithContext, c.QPS = &w.warnings, -1 // no limit
		return c
	}
	w.client = must(kubernetes.NewForConfig(must(w.flags.ToRESTConfig())(t)))(t)
	w.addCRDs(t)
	return w
}

// warnings are what the server had to say beside its answers.
type warnings struct {
	mu   sync.Mutex
	text []string
}

func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

// take returns what the server has warned of since the last time.
func (w *warnings) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.text, "\n")
	w.text = nil
	return text
}

func (w *world) expectNoWarning(t *testing.T) {
	t.Helper()
	if text := w.warnings.take(); text != "" {
		t.Errorf("the server warns: %s", text)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// apply applies objects on the server, as `kubectl apply --server-side` does; a field
// that is not known is refused.
func (w *world) apply(namespace, text string) (kube.ResourceList, error) {
	client := kube.New(w.flags)
	client.Namespace = namespace
	objects, err := client.Build(strings.NewReader(text), true)
	if err != nil {
		return nil, err
	}
	_, err = client.Create(objects)
	return objects, err
}

// addNamespace adds one that takes nothing but restricted Pods, and warns of workloads
// that would make others. It has the account that a controller would make.
func (w *world) addNamespace(t *testing.T, name string) {
	t.Helper()
	must(w.apply("", fmt.Sprintf(`{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {
  pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}}}`, name)))(t)
	must(w.apply(name, `{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}`))(t)
}

// addCRDs adds those of the Prometheus operator that the chart uses, from the operator's own
// module, and returns when they are served.
func (w *world) addCRDs(t *testing.T) {
	t.Helper()
	const module = "github.com/prometheus-operator/prometheus-operator"
	dir := must(exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output())(t)
	var added kube.ResourceList
	for _, name := range []string{"servicemonitors", "podmonitors", "prometheusrules"} {
		path := filepath.Join(strings.TrimSpace(string(dir)), "example", "prometheus-operator-crd", "monitoring.coreos.com_"+name+".yaml")
		added = append(added, must(w.apply("", string(must(os.ReadFile(path))(t))))(t)...)
	}
	if err := must(kube.New(w.flags).GetWaiter(kube.StatusWatcherStrategy))(t).Wait(added, time.Minute); err != nil {
		t.Fatal(err)
	}
	w.forgetKinds(t)
	w.warnings.take() // it does not know every format that the definitions name
}

// forgetKinds has the kinds that the server knows asked for again.
func (w *world) forgetKinds(t *testing.T) {
	t.Helper()
	must(w.flags.ToDiscoveryClient())(t).Invalidate()
	meta.MaybeResetRESTMapper(must(w.flags.ToRESTMapper())(t))
}
