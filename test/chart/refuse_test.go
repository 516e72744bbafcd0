package chart

import (
	"strings"
	"testing"
)

// What is wrong is refused before anything reaches a cluster, and in words.
func TestTheChartRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, values, want string }{
		{"no replica", `replicas: 0`, "at '/replicas': minimum"},
		{"a second replica on a volume", `replicas: 2`, "replicas is 2, and only replicas that share an etcd can be more than one"},
		{"one whose configuration nobody sees", `{config: null, existingConfigMap: mine, replicas: 2}`, "etcd.identitySecret"},
		{"an etcd without an identity", `config: {state: {etcd: {endpoints: ["https://etcd:2379"]}}}`, "config.state.etcd needs etcd.identitySecret"},
		{"an identity without an etcd", `etcd: {identitySecret: mine}`, "name that under config.state.etcd"},
		{"an unknown value", `replica: 1`, "additional properties 'replica' not allowed"},
		{"an unknown value further down", `persistence: {storageclass: fast}`, "additional properties 'storageclass' not allowed"},
		{"an unknown key of the configuration", `config: {acounts: {}}`, "additional properties 'acounts' not allowed"},
		{"one further down", `config: {accounts: {main: {token: x}}}`, "additional properties 'token' not allowed"},
		{"a secret in the configuration", `config: {accounts: {main: {api_token: v1.0-abc}}}`, "at '/config/accounts/main/api_token'"},
		{"a folder of state beside the volume", `config: {state: {path: /data}}`, "config.state.path is set by the chart"},
		{"a listener that no probe finds", `config: {server: {listen: "127.0.0.1:9476"}}`, "config.server.listen is set by the chart"},
		{"another admin socket", `config: {server: {admin_socket: /x}}`, "config.server.admin_socket is set by the chart"},
		{"another web config", `config: {server: {web_config_file: /x}}`, "see web.existingSecret"},
		{"less time than a stop takes", `terminationGracePeriodSeconds: 30`, "give it more, or rotatord is killed"},
		{"two monitors", `monitoring: {serviceMonitor: {enabled: true}, podMonitor: {enabled: true}}`, "every series would be there twice"},
		{"two configurations", `existingConfigMap: mine`, "at '/config': maxProperties"},
		{"a digest that is none", `image: {digest: latest}`, "at '/image/digest'"},
		{"a Secret twice", `secrets: [a, a]`, "at '/secrets'"},
		{"a port that is none", `networkPolicy: {egressPorts: [0]}`, "at '/networkPolicy/egressPorts/0'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			values, err := Values(c.values)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Render(values); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it says %v, want %q", err, c.want)
			}
		})
	}
}
