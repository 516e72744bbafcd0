package deploy

import (
	"os"
	"path/filepath"
	"regexp"
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

// composeFiles are the Compose files, each with the configuration for its rotatords.
var composeFiles = map[string]string{"compose.yaml": "rotatord.yaml", "replicas.yaml": "rotatord-replicas.yaml"}

// eachCompose calls test with each Compose file.
func eachCompose(t *testing.T, test func(t *testing.T, name string, file composeFile)) {
	t.Helper()
	for name := range composeFiles {
		t.Run(name, func(t *testing.T) { test(t, name, compose(t, name)) })
	}
}

func compose(t *testing.T, name string) composeFile {
	t.Helper()
	var file composeFile
	if err := yaml.Unmarshal([]byte(read(t, "compose/"+name)), &file); err != nil || len(file.Services) < 3 {
		t.Fatalf("%d services: %v", len(file.Services), err)
	}
	return file
}

func TestEachServiceOfComposeMayDoNothingItNeedNot(t *testing.T) {
	eachCompose(t, func(t *testing.T, _ string, file composeFile) {
		for name, service := range file.Services {
			if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) ||
				!slices.Equal(service.SecurityOpt, []string{"no-new-privileges:true"}) {
				t.Errorf("%s is not hardened", name)
			}
		}
	})
}

func TestWhatComposeNamesIsThere(t *testing.T) {
	eachCompose(t, func(t *testing.T, _ string, file composeFile) {
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
	})
}

func TestTheConfigurationForComposeIsValidAndReadsTheSecretsThatAreMounted(t *testing.T) {
	eachCompose(t, func(t *testing.T, name string, file composeFile) {
		text := read(t, "compose/"+composeFiles[name])
		cfg, err := config.Parse(composeFiles[name], []byte(text), all.Specs())
		if err != nil || len(cfg.Plans()) != 2 {
			t.Fatalf("not the configuration of two slots: %v", err)
		}
		for _, secret := range file.Services[rotatords(file)[0]].Secrets {
			if !regexp.MustCompile(`file: /run/secrets/` + regexp.QuoteMeta(secret) + `\b`).MatchString(text) {
				t.Errorf("the secret %s is mounted, and not read", secret)
			}
		}
		if n := len(rotatords(file)); (cfg.State.Etcd != nil) != (n > 1) {
			t.Errorf("of %d rotatords that do, or do not, share an etcd", n)
		}
	})
}

func rotatords(file composeFile) (names []string) {
	for name, service := range file.Services {
		if service.Image == "rotatord" {
			names = append(names, name)
		}
	}
	return names
}

// Prometheus gets the files at the places where Compose mounts them.
func TestPrometheusUnderstandsWhatComposeMounts(t *testing.T) {
	eachCompose(t, func(t *testing.T, _ string, file composeFile) {
		inside := t.TempDir()
		for _, volume := range file.Services["prometheus"].Volumes {
			if source, rest, _ := strings.Cut(volume, ":"); strings.HasPrefix(rest, "/etc/prometheus/") {
				target, _, _ := strings.Cut(rest, ":")
				text := read(t, filepath.Join("compose", source))
				harness.Check(t, os.WriteFile(filepath.Join(inside, filepath.Base(target)), []byte(text), 0o600))
			}
		}
		for _, name := range rotatords(file) {
			if !strings.Contains(read(t, filepath.Join(inside, "prometheus.yml")), `"`+name+`:9476"`) {
				t.Errorf("it does not scrape %s", name)
			}
		}
		out, ok := promtool(t, "check", "config", filepath.Join(inside, "prometheus.yml"))
		if alerts := harness.ReadRules(t, rulesFile).Alerts(); ok && (!strings.Contains(out, "1 rule files found") || len(alerts) == 0) {
			t.Errorf("promtool finds no rules:\n%s", out)
		}
	})
}
