package cluster

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rotatord/rotatord/test/chart"
)

// everything turns on all that the chart can add.
const everything = `{web: {existingSecret: web, tls: true}, commonLabels: {team: video},
	monitoring: {serviceMonitor: {enabled: true, labels: {release: prometheus}}, prometheusRule: {enabled: true}, dashboard: {enabled: true},
		endpoint: {interval: 30s, tlsConfig: {ca: {secret: {name: web, key: ca.crt}}, serverName: rotatord}}},
	networkPolicy: {enabled: true, ingressFrom: [{namespaceSelector: {}}], extraEgress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}}`

// release is one of Helm's, in a namespace of its own.
type release struct {
	*world
	namespace string
	helm      *action.Configuration
}

func (w *world) newRelease(t *testing.T, namespace string) *release {
	t.Helper()
	w.addNamespace(t, namespace)
	r := &release{world: w, namespace: namespace, helm: action.NewConfiguration()}
	r.helm.SetLogger(slog.DiscardHandler)
	if err := r.helm.Init(w.flags, namespace, "secret"); err != nil {
		t.Fatal(err)
	}
	return r
}

// install does what `helm install` does. Nothing is waited for: there are no controllers.
func (r *release) install(values map[string]any) error {
	c, err := chart.Load()
	if err != nil {
		return err
	}
	install := action.NewInstall(r.helm)
	install.ReleaseName, install.Namespace, install.WaitStrategy = chart.Release, r.namespace, kube.HookOnlyStrategy
	_, err = install.Run(c, values)
	return err
}

// upgrade does what `helm upgrade` does, with a chart and a rotatord of another version.
func (r *release) upgrade(version string, values map[string]any) error {
	c, err := chart.Load()
	if err != nil {
		return err
	}
	c.Metadata.Version, c.Metadata.AppVersion = version, version
	upgrade := action.NewUpgrade(r.helm)
	upgrade.Namespace, upgrade.WaitStrategy, upgrade.ResetValues = r.namespace, kube.HookOnlyStrategy, true
	_, err = upgrade.Run(chart.Release, c, values)
	return err
}

func (r *release) uninstall() error {
	uninstall := action.NewUninstall(r.helm)
	uninstall.WaitStrategy = kube.HookOnlyStrategy
	_, err := uninstall.Run(chart.Release)
	return err
}

// set returns the StatefulSet as the server has it.
func (r *release) set(t *testing.T) *appsv1.StatefulSet {
	t.Helper()
	return must(r.client.AppsV1().StatefulSets(r.namespace).Get(t.Context(), chart.Release, metav1.GetOptions{}))(t)
}

func testInstall(t *testing.T, w *world) {
	for namespace, values := range variants(t) {
		t.Run(namespace, func(t *testing.T) {
			r := w.newRelease(t, namespace)
			if err := r.install(values); err != nil {
				t.Fatal(err)
			}
			if err := w.createPod(t, r.set(t)); err != nil {
				t.Errorf("its Pod is not let in: %v", err)
			}
			w.expectNoWarning(t)
		})
	}
}

// variants are values of the chart: what each of them changes, and the page's examples.
func variants(t *testing.T) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for name, others := range map[string]string{
		"plain": ``, "everything": everything,
		"another-monitor":     `monitoring: {podMonitor: {enabled: true}}`,
		"client-certificates": `web: {existingSecret: web, tls: true, clientCertificates: true}`,
		"a-claim-of-ones-own": `{persistence: {existingClaim: mine}, serviceAccount: {create: false}}`,
		"a-trial":             `persistence: {enabled: false}`,
		"replicas": `{replicas: 3, etcd: {identitySecret: id}, web: {existingSecret: web, tls: true}, networkPolicy: {enabled: true},
			config: {state: {etcd: {endpoints: ["https://etcd:2379"], ca_file: /run/secrets/cloudflare/ca.crt}}}}`,
		"openshift": `podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}`,
		"options": `{nodeSelector: {a: b}, tolerations: [{key: a, operator: Exists}], priorityClassName: system-cluster-critical,
			topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {}}], affinity: {nodeAffinity: {}},
			extraArgs: [-v], extraEnv: [{name: A, value: b}], extraEnvFrom: [{secretRef: {name: aws}}], imagePullSecrets: [{name: registry}],
			persistence: {storageClass: fast}, restartOnConfigChange: false, terminationGracePeriodSeconds: 60}`,
	} {
		all[name] = must(chart.Values(others))(t)
	}
	examples, _, err := chart.PageExamples()
	if err != nil {
		t.Fatal(err)
	}
	for i, example := range examples {
		all["the-pages-example-"+string('a'+rune(i))] = loader.MergeMaps(must(chart.Values(``))(t), example)
	}
	return all
}

// What a server would take without a look would prove nothing.
func testRefusals(t *testing.T, w *world) {
	for namespace, c := range map[string]struct{ values, want string }{
		"an-unknown-field":  {`extraVolumes: [{name: out, emptyDirectory: {}}]`, `field not declared in schema`},
		"a-wrong-monitor":   {`monitoring: {serviceMonitor: {enabled: true}, endpoint: {relabelings: [{action: x}]}}`, `spec.endpoints[0].relabelings[0].action`},
		"no-network":        {`networkPolicy: {enabled: true, extraEgress: [{to: [{ipBlock: {cidr: all}}]}]}`, `cidr`},
		"a-mount-of-naught": {`extraVolumeMounts: [{name: none, mountPath: /x}]`, `Not found: "none"`},
	} {
		t.Run(namespace, func(t *testing.T) {
			err := w.newRelease(t, namespace).install(must(chart.Values(c.values))(t))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it says %v, want %q", err, c.want)
			}
		})
	}
	w.warnings.take()
}

// The namespace lets in what the chart makes of its own values, and not what takes one of them away.
func testRestriction(t *testing.T, w *world) {
	for namespace, c := range map[string]struct{ values, want string }{
		"root":       {`podSecurityContext: {runAsUser: 0}`, `runAsUser=0`},
		"maybe-root": {`podSecurityContext: {runAsNonRoot: null}`, `runAsNonRoot != true`},
		"no-seccomp": {`podSecurityContext: {seccompProfile: null}`, `seccompProfile`},
		"more":       {`securityContext: {allowPrivilegeEscalation: null}`, `allowPrivilegeEscalation != false`},
		"able":       {`securityContext: {capabilities: null}`, `unrestricted capabilities`},
		"the-node":   {`extraVolumes: [{name: node, hostPath: {path: /}}]`, `hostPath`},
	} {
		t.Run(namespace, func(t *testing.T) {
			r := w.newRelease(t, namespace)
			if err := r.install(must(chart.Values(c.values))(t)); err != nil {
				t.Fatal(err)
			}
			if text := w.warnings.take(); !strings.Contains(text, c.want) {
				t.Errorf("of the StatefulSet, it warns %q, want %q", text, c.want)
			}
			err := w.createPod(t, r.set(t))
			if err == nil || !strings.Contains(err.Error(), "violates PodSecurity") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("of the Pod, it says %v, want %q", err, c.want)
			}
		})
	}
}

func testUpgrade(t *testing.T, w *world) {
	r := w.newRelease(t, "upgrade")
	plain, all := must(chart.Values(``))(t), must(chart.Values(everything))(t)
	if err := r.install(plain); err != nil {
		t.Fatal(err)
	}
	first, before := r.set(t), w.objects(t, r.namespace)
	for _, step := range []struct {
		version string
		values  map[string]any
	}{{"9.9.9", plain}, {"9.9.9", all}, {"0.1.0", plain}} {
		if err := r.upgrade(step.version, step.values); err != nil {
			t.Fatalf("to %s: %v", step.version, err)
		}
		if r.set(t).UID != first.UID {
			t.Error("the StatefulSet was made anew")
		}
	}
	if after := w.objects(t, r.namespace); !slices.Equal(before, after) {
		t.Errorf("there is %v, and was %v", after, before)
	}
	w.expectNoWarning(t)
}

// A new version changes the Pod, and a new configuration does; nothing else that is new does.
func testRestart(t *testing.T, w *world) {
	r := w.newRelease(t, "restart")
	if err := r.install(must(chart.Values(``))(t)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		version, values string
		restarts        bool
	}{
		{"0.1.0", `monitoring: {prometheusRule: {enabled: true}}`, false},
		{"0.1.0", `config: {log: {level: debug}}`, true},
		{"0.1.0", `config: {log: {level: debug}}`, false},
		{"9.9.9", `config: {log: {level: debug}}`, true},
	} {
		before := r.set(t).Generation
		if err := r.upgrade(c.version, must(chart.Values(c.values))(t)); err != nil {
			t.Fatal(err)
		}
		if restarts := r.set(t).Generation != before; restarts != c.restarts {
			t.Errorf("%s %s: it restarts: %t", c.version, c.values, restarts)
		}
	}
}

// docs/kubernetes.md says so.
func testLargerClaim(t *testing.T, w *world) {
	r := w.newRelease(t, "larger-claim")
	if err := r.install(must(chart.Values(``))(t)); err != nil {
		t.Fatal(err)
	}
	err := r.upgrade("0.1.0", must(chart.Values(`persistence: {size: 2Gi}`))(t))
	if err == nil || !strings.Contains(err.Error(), "spec.volumeClaimTemplates") || !strings.Contains(err.Error(), "immutable") {
		t.Errorf("it says %v", err)
	}
	if err := r.upgrade("0.1.0", must(chart.Values(`config: {log: {level: debug}}`))(t)); err != nil {
		t.Errorf("and nothing else is taken from then on: %v", err)
	}
}

func testUninstall(t *testing.T, w *world) {
	r := w.newRelease(t, "uninstall")
	must(w.apply(r.namespace, `{apiVersion: v1, kind: Secret, metadata: {name: cloudflare}, stringData: {api-token: x}}`))(t)
	before := w.objects(t, r.namespace)
	if err := r.install(must(chart.Values(everything))(t)); err != nil {
		t.Fatal(err)
	}
	w.createClaims(t, r.set(t))
	if err := r.uninstall(); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values(append(before, "PersistentVolumeClaim state-rotatord-0")))
	if after := w.objects(t, r.namespace); !slices.Equal(want, after) {
		t.Errorf("there is %v, want %v", after, want)
	}
	if err := r.install(must(chart.Values(``))(t)); err != nil {
		t.Errorf("it cannot be installed again: %v", err)
	}
}
