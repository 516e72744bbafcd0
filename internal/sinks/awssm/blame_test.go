package awssm

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
)

// sdkNames are the variables that the SDK declares, in its source.
func sdkNames(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/config").Output()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "env_config.go"))
	must(t, err)
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`"(AWS_[A-Z0-9_]+)"`).FindAllSubmatch(text, -1) {
		names[string(m[1])] = true
	}
	if len(names) < 30 || !names["AWS_MAX_ATTEMPTS"] {
		t.Fatalf("only %d names were found: the test cannot fail", len(names))
	}
	return slices.Sorted(maps.Keys(names))
}

func open(t *testing.T, c *Config) error {
	t.Helper()
	s, err := c.Open(t.Context(), sinks.OpenOptions{Name: "aws-prod", Env: secret.NewEnvironment(os.Environ())})
	if err == nil {
		must(t, s.Close())
	}
	return err
}

func TestAVariableThatTheSDKRefusesIsNamed(t *testing.T) {
	refused := map[string]bool{}
	for _, name := range sdkNames(t) {
		for _, value := range []string{"abc", "-1", "/nowhere/file", "blame_test.go", "http://192.0.2.1/x", "::"} {
			t.Run(name+"="+value, func(t *testing.T) {
				server := awstest.New(t)
				credentials(t, server)
				t.Setenv("AWS_ACCESS_KEY_ID", "") // so that the rest of the chain is asked
				t.Setenv(name, value)
				err := open(t, configFor(server))
				refused[name] = refused[name] || err != nil
				if err != nil && !strings.Contains(err.Error(), "look at "+name) && !strings.Contains(err.Error(), ", "+name) {
					t.Errorf("%v does not name %s", err, name)
				}
			})
		}
	}
	for _, name := range []string{
		"AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "AWS_DEFAULTS_MODE", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_ENABLE_ENDPOINT_DISCOVERY",
		"AWS_USE_FIPS_ENDPOINT", "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
	} {
		if !refused[name] {
			t.Errorf("%s was never refused: the test cannot fail for it", name)
		}
	}
}

func TestASharedFileThatCannotBeReadIsNamed(t *testing.T) {
	for name, text := range map[string]string{
		"half a pair of keys":  "[default]\naws_access_key_id = A\n",
		"a number that is not": "[default]\nmax_attempts = abc\n",
		"no source profile":    "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = gone\n",
		"a mode that is none":  "[default]\ndefaults_mode = abc\n",
	} {
		t.Run(name, func(t *testing.T) {
			server := awstest.New(t)
			credentials(t, server)
			path := filepath.Join(t.TempDir(), "config")
			must(t, os.WriteFile(path, []byte(text), 0o600))
			t.Setenv("AWS_CONFIG_FILE", path)
			err := open(t, configFor(server))
			if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not name %s, on one line", err, path)
			}
		})
	}
}
