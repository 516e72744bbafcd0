package chart

import (
	"strings"
	"testing"
)

const (
	pod       = "StatefulSet spec.template.spec"
	container = pod + ".containers.rotatord"
)

// What each value changes.
func TestTheChartRenders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, values, path, want string }{
		{"one replica", ``, "StatefulSet spec.replicas", `1`},
		{"no disruption budget, which would block a drain", ``, "PodDisruptionBudget metadata", ``},
		{"a Service that is the StatefulSet's own", ``, "Service spec.clusterIP", `None`},
		{"the journal outlives the release", ``, "StatefulSet spec.persistentVolumeClaimRetentionPolicy",
			`{whenDeleted: Retain, whenScaled: Retain}`},
		{"no monitors unless asked for", ``, "ServiceMonitor metadata", ``},
		{"no rules unless asked for", ``, "PrometheusRule metadata", ``},
		{"no network policy unless asked for", ``, "NetworkPolicy metadata", ``},

		{"nobody's token for Kubernetes' API", ``, pod + ".automountServiceAccountToken", `false`},
		{"nor by way of the account", ``, "ServiceAccount automountServiceAccountToken", `false`},
		{"the image's user", ``, pod + ".securityContext", `{runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532,
			fsGroup: 65532, fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}`},
		{"nothing but its volumes can be written", ``, container + ".securityContext",
			`{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}`},

		{"the chart's version as the tag", ``, container + ".image", `ghcr.io/rotatord/rotatord:0.1.0`},
		{"a tag", `image: {tag: v7}`, container + ".image", `ghcr.io/rotatord/rotatord:v7`},
		{"a digest in place of the tag", `image: {tag: v7, digest: "sha256:` + strings.Repeat("a", 64) + `"}`,
			container + ".image", `"ghcr.io/rotatord/rotatord@sha256:` + strings.Repeat("a", 64) + `"`},

		{"alive by HTTP", ``, container + ".livenessProbe.httpGet", `{path: /-/healthy, port: http}`},
		{"ready by HTTP", ``, container + ".readinessProbe.httpGet", `{path: /-/ready, port: http}`},
		{"with TLS", `web: {existingSecret: web, tls: true}`, container + ".startupProbe.httpGet",
			`{path: /-/healthy, port: http, scheme: HTTPS}`},
		{"with client certificates, ready by the admin socket", `web: {existingSecret: web, tls: true, clientCertificates: true}`,
			container + ".readinessProbe.exec.command", `[/rotatord, status, --ready]`},
		{"and alive while it takes connections", `web: {existingSecret: web, tls: true, clientCertificates: true}`,
			container + ".livenessProbe.tcpSocket", `{port: http}`},
		{"not by HTTP then", `web: {existingSecret: web, tls: true, clientCertificates: true}`,
			container + ".livenessProbe.httpGet", ``},

		{"time to stop", ``, pod + ".terminationGracePeriodSeconds", `45`},
		{"more of it where the configuration wants it", `config: {shutdown_timeout: 1m30s}`,
			pod + ".terminationGracePeriodSeconds", `105`},
		{"rounded up", `config: {shutdown_timeout: 1500ms}`, pod + ".terminationGracePeriodSeconds", `17`},
		{"as much as is given", `terminationGracePeriodSeconds: 31`, pod + ".terminationGracePeriodSeconds", `31`},

		{"a Secret as files", ``, container + ".volumeMounts.3",
			`{name: secret-cloudflare-738e22f0, mountPath: /run/secrets/cloudflare, readOnly: true}`},
		{"readable by the image's group alone", ``, pod + ".volumes.secret-cloudflare-738e22f0.secret.defaultMode", `288`},
		{"a login's token as a file", ``, pod + ".volumes.tokens.projected.sources.0.serviceAccountToken",
			`{path: vault, audience: vault, expirationSeconds: 3600}`},
		{"the admin socket in memory", ``, pod + ".volumes.run.emptyDir", `{medium: Memory, sizeLimit: 1Mi}`},
		{"a claim for the journal", ``, "StatefulSet spec.volumeClaimTemplates.0.spec",
			`{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}`},
		{"with a class", `persistence: {storageClass: fast}`, "StatefulSet spec.volumeClaimTemplates.0.spec.storageClassName", `fast`},
		{"a claim of one's own", `persistence: {existingClaim: mine}`, pod + ".volumes.state.persistentVolumeClaim", `{claimName: mine}`},
		{"and no other", `persistence: {existingClaim: mine}`, "StatefulSet spec.volumeClaimTemplates", ``},
		{"a journal for a trial", `persistence: {enabled: false}`, pod + ".volumes.state.emptyDir", `{}`},

		{"a ServiceMonitor", `monitoring: {serviceMonitor: {enabled: true}}`, "ServiceMonitor spec.endpoints",
			`[{port: http, path: /metrics}]`},
		{"whose job is always rotatord", `monitoring: {serviceMonitor: {enabled: true}}`, "ServiceMonitor spec.jobLabel",
			`app.kubernetes.io/name`},
		{"with what the operator selects by", `monitoring: {serviceMonitor: {enabled: true, labels: {release: prometheus}}}`,
			"ServiceMonitor metadata.labels.release", `prometheus`},
		{"over TLS", `{web: {existingSecret: web, tls: true}, monitoring: {serviceMonitor: {enabled: true}, endpoint: {interval: 30s,
			tlsConfig: {serverName: rotatord}}}}`, "ServiceMonitor spec.endpoints",
			`[{port: http, path: /metrics, interval: 30s, scheme: https, tlsConfig: {serverName: rotatord}}]`},
		{"a PodMonitor", `monitoring: {podMonitor: {enabled: true}}`, "PodMonitor spec.podMetricsEndpoints",
			`[{port: http, path: /metrics}]`},
		{"which is no ServiceMonitor", `monitoring: {podMonitor: {enabled: true}}`, "ServiceMonitor metadata", ``},

		{"in by the listener alone", `networkPolicy: {enabled: true, ingressFrom: [{namespaceSelector: {}}]}`,
			"NetworkPolicy spec.ingress", `[{ports: [{port: http, protocol: TCP}], from: [{namespaceSelector: {}}]}]`},
		{"out to names and to ports", `networkPolicy: {enabled: true, egressPorts: [443, 8200]}`, "NetworkPolicy spec.egress",
			`[{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}, {ports: [{port: 443, protocol: TCP}, {port: 8200, protocol: TCP}]}]`},

		{"a sidecar", `extraContainers: [{name: player, image: player}]`, pod + ".containers.1", `{name: player, image: player}`},
		{"a volume", `extraVolumes: [{name: tokens-out, emptyDir: {}}]`, pod + ".volumes.tokens-out.emptyDir", `{}`},
		{"and where it is", `extraVolumeMounts: [{name: tokens-out, mountPath: /var/lib/moq}]`,
			container + ".volumeMounts.tokens-out.mountPath", `/var/lib/moq`},
		{"environment", `extraEnv: [{name: HTTPS_PROXY, value: "http://proxy:3128"}]`, container + ".env",
			`[{name: HTTPS_PROXY, value: "http://proxy:3128"}]`},
		{"where it runs", `nodeSelector: {disk: ssd}`, pod + ".nodeSelector", `{disk: ssd}`},
		{"how important it is", `priorityClassName: high`, pod + ".priorityClassName", `high`},
		{"an account for AWS", `serviceAccount: {annotations: {eks.amazonaws.com/role-arn: arn}}`, "ServiceAccount metadata.annotations",
			`{eks.amazonaws.com/role-arn: arn}`},
		{"an account of one's own", `serviceAccount: {create: false, name: mine}`, pod + ".serviceAccountName", `mine`},
		{"a ConfigMap of one's own", `{config: null, existingConfigMap: mine}`, pod + ".volumes.config.configMap", `{name: mine}`},
		{"a ConfigMap of one's own, and no word of etcd", `{config: null, existingConfigMap: mine}`, "StatefulSet spec.podManagementPolicy", ``},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, objects(t, c.values), c.path, c.want) })
	}
}

func TestAChangedConfigurationRestartsRotatord(t *testing.T) {
	t.Parallel()
	const sum = `StatefulSet spec.template.metadata.annotations.checksum/config`
	before, after := lookUp(objects(t, ``), sum), lookUp(objects(t, `config: {log: {level: debug}}`), sum)
	if before == nil || before == after {
		t.Errorf("the checksum was %v and is %v", before, after)
	}
	if other := lookUp(objects(t, `podLabels: {a: b}`), sum); other != before {
		t.Errorf("the checksum changes with what is not of the configuration")
	}
	expect(t, objects(t, `restartOnConfigChange: false`), sum, ``)
}

// The braces of Prometheus and of Grafana are not Helm's.
func TestRulesAndDashboardArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	all := objects(t, `monitoring: {prometheusRule: {enabled: true}, dashboard: {enabled: true}}`)
	expect(t, all, "PrometheusRule spec", repositoryFile(t, "deploy/helm/files/rotatord.rules.yaml"))
	for _, o := range all {
		if o.GetName() == "rotatord-dashboard" {
			got := descend(o.Object, []string{"data", `rotatord\json`})
			if want := repositoryFile(t, "deploy/helm/files/rotatord.json"); got != want {
				t.Error("the dashboard is not deploy/grafana's")
			}
			return
		}
	}
	t.Error("there is no dashboard")
}

// A selector, and what a claim is made from, can never be changed by an upgrade.
func TestNothingThatIsFixedBearsAVersion(t *testing.T) {
	t.Parallel()
	want := `{app.kubernetes.io/name: rotatord, app.kubernetes.io/instance: rotatord}`
	all := objects(t, `{commonLabels: {team: video}, monitoring: {serviceMonitor: {enabled: true}}, networkPolicy: {enabled: true}}`)
	for _, path := range []string{
		"StatefulSet spec.selector.matchLabels", "StatefulSet spec.volumeClaimTemplates.0.metadata.labels", "Service spec.selector",
		"ServiceMonitor spec.selector.matchLabels", "NetworkPolicy spec.podSelector.matchLabels",
	} {
		expect(t, all, path, want)
	}
}
