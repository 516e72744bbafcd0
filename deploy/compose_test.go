package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/sinks/all"
	"github.com/rotatord/rotatord/test/harness"
)

// composeFile is what of a Compose file is looked at here.
type composeFile struct {
	Services map[string]struct {
		Image       string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
		Volumes     []string
		Secrets     []string
		DependsOn   []string `yaml:"depends_on"`
	}
	Volumes map[string]any
	Secrets map[string]struct{ File string }
}

func compose(t *testing.T) composeFile {
	t.Helper()
	var file composeFile
	if err := yaml.Unmarshal([]byte(read(t, "compose/compose.yaml")), &file); err != nil || len(file.Services) < 3 {
		t.Fatalf("%d services: %v", len(file.Services), err)
	}
	return file
}

func TestEachServiceOfComposeMayDoNothingItNeedNot(t *testing.T) {
	for name, service := range compose(t).Services {
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Equal(service.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s is not hardened", name)
		}
	}
}

func TestWhatComposeNamesIsThere(t *testing.T) {
	file := compose(t)
	for name, service := range file.Services {
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			_, named := file.Volumes[source]
			if _, err := os.Stat(filepath.Join("compose", source)); err != nil && !named {
				t.Errorf("%s mounts %s, which is neither a volume nor a file", name, source)
			}
		}
		for _, secret := range service.Secrets {
			if file.Secrets[secret].File != "./"+secret {
				t.Errorf("%s takes the secret %s, which is no file of its name", name, secret)
			}
		}
		for _, other := range service.DependsOn {
			if _, ok := file.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is no service", name, other)
			}
		}
	}
}

func TestTheConfigurationForComposeIsValidAndReadsTheSecretsThatAreMounted(t *testing.T) {
	text := read(t, "compose/rotatord.yaml")
	cfg, err := config.Parse("rotatord.yaml", []byte(text), all.Specs())
	if err != nil || len(cfg.Plans()) != 2 {
		t.Fatalf("not the configuration of two slots: %v", err)
	}
	for _, secret := range compose(t).Services["rotatord"].Secrets {
		if !strings.Contains(text, "{file: /run/secrets/"+secret+"}") {
			t.Errorf("the secret %s is mounted, and not read", secret)
		}
	}
}

// Prometheus gets the files at the places where Compose mounts them.
func TestPrometheusUnderstandsWhatComposeMounts(t *testing.T) {
	inside := t.TempDir()
	for _, volume := range compose(t).Services["prometheus"].Volumes {
		if source, rest, _ := strings.Cut(volume, ":"); strings.HasPrefix(rest, "/etc/prometheus/") {
			target, _, _ := strings.Cut(rest, ":")
			text := read(t, filepath.Join("compose", source))
			harness.Check(t, os.WriteFile(filepath.Join(inside, filepath.Base(target)), []byte(text), 0o600))
		}
	}
	out, ok := promtool(t, "check", "config", filepath.Join(inside, "prometheus.yml"))
	if alerts := harness.ReadRules(t, rulesFile).Alerts(); ok && (!strings.Contains(out, "1 rule files found") || len(alerts) == 0) {
		t.Errorf("promtool finds no rules:\n%s", out)
	}
}
