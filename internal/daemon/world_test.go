package daemon

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/file"
	"github.com/rotatord/rotatord/internal/sinks/vault"
)

// opening is a file sink, a Vault, an AWS and an account, of which a test spoils one.
type opening struct {
	dir      string
	vaultURL string
	cfg      *config.Config
	vault    *vault.Config
	aws      *awssm.Config
	awsCalls func() []string
}

const (
	unsetVariable = "ROTATORD_TEST_UNSET"
	relayID       = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
)

// newOpening makes a world in which all opens and works.
func newOpening(t *testing.T) *opening {
	t.Helper()
	o := &opening{dir: t.TempDir(), vault: vault.NewConfig(), aws: awssm.NewConfig()}
	o.put(t, "token", "a-token")
	store := httptest.NewTLSServer(http.HandlerFunc(answerLikeAnEmptyVault))
	t.Cleanup(store.Close)
	o.vaultURL = store.URL
	o.put(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: store.Certificate().Raw})))
	o.vault.Address, o.vault.CAFile, o.vault.Path = store.URL, o.path("ca.pem"), "moq/{{.Relay}}"
	o.vault.Auth.Token = &secret.Source{File: o.path("token")}
	aws := awstest.New(t)
	o.aws.Region, o.aws.EndpointURL, o.aws.SecretID = awstest.Region, aws.URL, "moq/{{.Relay}}"
	o.awsCalls = aws.Calls
	o.put(t, "aws-credentials", awsKeys)
	awsEnvironment(t, o)
	disk := file.NewConfig()
	disk.Path = o.path("{{.Relay}}.token")
	a := account("a", o.path("token"), 1200)
	a.APIURL = cloudflareFor(t, a.AccountID)
	o.cfg = &config.Config{
		Accounts: map[string]*config.Account{"main": a},
		Sinks:    map[string]sinks.Spec{"disk": disk, "vault": o.vault, "aws": o.aws},
	}
	return o
}

const awsKeys = "[default]\naws_access_key_id = " + awstest.AccessKeyID + "\naws_secret_access_key = " + awstest.SecretAccessKey + "\n"

func cloudflareFor(t *testing.T, accountID string) string {
	t.Helper()
	sim := cfsim.New(cfsim.Options{})
	sim.AddAccount(accountID, cfsim.Both)
	sim.AddAPIToken("a-token", cfsim.Edit, accountID)
	sim.AddRelay(accountID, relayID, "live")
	s := httptest.NewServer(sim)
	t.Cleanup(s.Close)
	return s.URL + "/client/v4"
}

// answerLikeAnEmptyVault knows every token and holds no secret.
func answerLikeAnEmptyVault(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/lookup-self"):
		_, _ = w.Write([]byte(`{"data": {"ttl": 0, "renewable": false}}`))
	case strings.Contains(r.URL.Path, "/ui/mounts/"):
		_, _ = w.Write([]byte(`{"data": {"type": "kv", "path": "secret/", "options": {"version": "2"}}}`))
	case strings.HasSuffix(r.URL.Path, "/capabilities-self"):
		_, _ = w.Write([]byte(`{"data": {"secret/data/moq/live": ["root"]}}`))
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors": []}`))
	}
}

// awsEnvironment points the SDK at this world alone.
func awsEnvironment(t *testing.T, o *opening) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "",
		"AWS_CONFIG_FILE": o.path("aws-config"), "AWS_SHARED_CREDENTIALS_FILE": o.path("aws-credentials"),
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "",
	} {
		t.Setenv(name, value)
	}
}

func (o *opening) path(name string) string { return filepath.Join(o.dir, name) }

func (o *opening) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(o.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// environ opens the world as main does: in the environment that the test has set.
func (o *opening) open(t *testing.T) *backends {
	t.Helper()
	p, err := opener{env: TakeEnvironment(), metrics: metrics.New(metrics.Options{})}.open(t.Context(), o.cfg, nil)
	if err != nil {
		t.Fatalf("one part's trouble ends all: %v", err)
	}
	t.Cleanup(func() { _ = p.closeExcept(nil) })
	return p
}

// daemon returns a daemon of this world, which is stopped at the end of the test. Nothing is open yet.
func (o *opening) daemon(t *testing.T) *daemon {
	t.Helper()
	o.cfg.State.Path, o.cfg.Instance = o.path("state"), "default"
	lines := logging.New(io.Discard)
	d := newDaemon(o.cfg, Options{ConfigPath: o.path("config.yaml"), Env: TakeEnvironment(), Log: lines})
	t.Cleanup(func() {
		if err := d.teardown.run(usualStop); err != nil {
			t.Errorf("the daemon does not stop: %v", err)
		}
		lines.Close()
	})
	return d
}
