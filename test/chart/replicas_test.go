package chart

import (
	"errors"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// replicated are values of three replicas on an etcd.
const replicated = `
replicas: 3
etcd: {identitySecret: rotatord-identity}
secrets: [cloudflare, etcd]
config:
  state:
    etcd:
      endpoints: ["https://etcd-0.etcd:2379", "https://etcd-1.etcd:2379", "https://etcd-2.etcd:23790"]
      ca_file: /run/secrets/etcd/ca.crt
      cert_file: /run/secrets/etcd/tls.crt
      key_file: /run/secrets/etcd/tls.key
`

// What several replicas need, and one on a volume has not.
func TestTheChartRendersReplicas(t *testing.T) {
	t.Parallel()
	const selector = `{matchLabels: {app.kubernetes.io/name: rotatord, app.kubernetes.io/instance: rotatord}}`
	const tls = `web: {existingSecret: web, tls: true}`
	for _, c := range []struct{ name, others, path, want string }{
		{"as many as are asked for", ``, "StatefulSet spec.replicas", `3`},
		{"all at once", ``, "StatefulSet spec.podManagementPolicy", `Parallel`},
		{"no claim", ``, "StatefulSet spec.volumeClaimTemplates", ``},
		{"nor what becomes of it", ``, "StatefulSet spec.persistentVolumeClaimRetentionPolicy", ``},
		{"no volume of state", ``, pod + ".volumes.state", ``},
		{"nor where it is", ``, container + ".volumeMounts.state", ``},
		{"the identity of all", ``, pod + ".volumes.identity.secret", `{secretName: rotatord-identity, defaultMode: 288}`},
		{"and where it is", ``, container + ".volumeMounts.identity", `{name: identity, mountPath: /run/identity, readOnly: true}`},
		{"etcd's certificates as files", ``, container + ".volumeMounts.4.mountPath", `/run/secrets/etcd`},

		{"a drain takes one at a time", ``, "PodDisruptionBudget spec", `{maxUnavailable: 1, selector: ` + selector + `}`},
		{"a single one may be drained", `replicas: 1`, "PodDisruptionBudget spec", ``},
		{"each on a node of its own", ``, pod + ".affinity", `{podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution:
			[{topologyKey: kubernetes.io/hostname, labelSelector: ` + selector + `}]}}`},
		{"or as is said", `affinity: {nodeAffinity: {}}`, pod + ".affinity", `{nodeAffinity: {}}`},

		{"over TLS, each has its own address", tls, container + ".env", `[{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}},
			{name: ROTATORD_ADVERTISE, value: "https://$(POD_NAME).rotatord.moq.svc:9476"}]`},
		{"beside other variables", tls + "\nextraEnv: [{name: A, value: b}]", container + ".env.A.value", `b`},
		{"without TLS there is none", ``, container + ".env", ``},
		{"where a leader is reached that is not ready", ``, "Service spec.publishNotReadyAddresses", `true`},

		{"in for replicas, too", `networkPolicy: {enabled: true, ingressFrom: [{namespaceSelector: {}}]}`, "NetworkPolicy spec.ingress.1",
			`{ports: [{port: http, protocol: TCP}], from: [{podSelector: ` + selector + `}]}`},
		{"out to etcd", `networkPolicy: {enabled: true}`, "NetworkPolicy spec.egress.2",
			`{ports: [{port: 2379, protocol: TCP}, {port: 23790, protocol: TCP}]}`},
		{"and to replicas", `networkPolicy: {enabled: true}`, "NetworkPolicy spec.egress.3",
			`{ports: [{port: 9476, protocol: TCP}], to: [{podSelector: ` + selector + `}]}`},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, replicas(t, c.others), c.path, c.want) })
	}
}

// replicas returns what is rendered of three, with others on top of them.
func replicas(t *testing.T, others string) []*unstructured.Unstructured {
	t.Helper()
	all, err := Objects(replicaValues(t, others))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func replicaValues(t *testing.T, others string) map[string]any {
	t.Helper()
	var above map[string]any
	below, err := Values(replicated)
	if err := errors.Join(err, yaml.Unmarshal([]byte(others), &above)); err != nil {
		t.Fatal(err)
	}
	return loader.MergeMaps(below, above)
}

func TestTheChartRefusesOfReplicas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, others, want string }{
		{"another identity", `config: {state: {identity_file: /x}}`, "see etcd.identitySecret"},
		{"one address for all", `config: {server: {advertise: "https://rotatord:9476"}}`, "config.server.advertise is set by the chart"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Render(replicaValues(t, c.others)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it says %v, want %q", err, c.want)
			}
		})
	}
}

// The configuration is somebody else's then: that it has state.etcd is taken for granted.
func TestTheChartTakesSomebodysWordForReplicas(t *testing.T) {
	t.Parallel()
	all := objects(t, `{config: null, existingConfigMap: mine, replicas: 2, etcd: {identitySecret: id}, networkPolicy: {enabled: true}}`)
	expect(t, all, "StatefulSet spec.volumeClaimTemplates", ``)
	expect(t, all, pod+".volumes.identity.secret.secretName", `id`)
	expect(t, all, "NetworkPolicy spec.egress.2.ports", `[{port: 2379, protocol: TCP}]`)
}

func TestRotatordTakesTheConfigurationOfReplicas(t *testing.T) {
	t.Parallel()
	text := lookUp(replicas(t, ``), `ConfigMap data.config\yaml`)
	checkConfig(t, text)
	if !strings.Contains(text.(string), "identity_file: /run/identity/identity.txt") {
		t.Errorf("it does not name the identity that is mounted:\n%s", text)
	}
}
