package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
)

// rotatord builds the program as it is released, once, and returns where it is.
var rotatord = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", "rotatord")
	cmd := exec.Command("make", "-s", "-C", root, "build")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
})

// The daemon's own judgement of the configuration that it will find.
func TestRotatordTakesTheConfigurationOfTheChart(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]string{
		"as it is":         ``,
		"with web config":  `web: {existingSecret: web, tls: true}`,
		"large numbers":    `config: {accounts: {main: {rate_limit: {requests: 10000000}}}}`,
		"digits and an e":  `config: {relays: {live-main: {id: "1e345678901234567890123456789012"}}}`,
		"modes and labels": `config: {server: {admin_socket_mode: "0600"}, relays: {live-main: {labels: {team: "007"}}}}`,
	} {
		t.Run(name, func(t *testing.T) { checkConfig(t, lookUp(objects(t, values), `ConfigMap data.config\yaml`)) })
	}
}

// checkConfig fails the test if text is not a configuration that rotatord takes.
func checkConfig(t *testing.T, text any) {
	t.Helper()
	program, err := rotatord()
	if err != nil {
		t.Fatal(err)
	}
	config, ok := text.(string)
	if !ok {
		t.Fatal("there is no config.yaml")
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), program, "-c", path, "check", "-q").CombinedOutput(); err != nil {
		t.Errorf("check: %v\n%s\n%s", err, out, config)
	}
}

func TestHelmsLinterHasNothingToSay(t *testing.T) {
	t.Parallel()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	values, err := Values(``)
	if err != nil {
		t.Fatal(err)
	}
	found := lint.RunAll(filepath.Join(root, "deploy", "helm"), values, Namespace)
	for _, m := range found.Messages {
		if m.Severity > support.InfoSev {
			t.Error(m)
		}
	}
	if len(found.Messages) == 0 {
		t.Error("not even the missing icon is told: nothing was looked at")
	}
}
