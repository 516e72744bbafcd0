package awssm

import (
	"crypto/sha1"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
)

// sources are the ways to credentials that go over HTTP: each makes the SDK fetch
// them from address.
var sources = map[string]func(t *testing.T, address string, c *Config){
	"the sink's role": func(t *testing.T, address string, c *Config) {
		c.RoleARN = "arn:aws:iam::123456789012:role/rotatord"
		t.Setenv("AWS_ENDPOINT_URL_STS", address)
	},
	"web identity": func(t *testing.T, address string, _ *Config) {
		withoutKeys(t)
		t.Setenv("AWS_ENDPOINT_URL_STS", address)
		t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/rotatord")
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", saved(t, t.TempDir()+"/token", "identity"))
	},
	"a role of a profile": func(t *testing.T, address string, _ *Config) {
		withoutKeys(t)
		t.Setenv("AWS_ENDPOINT_URL_STS", address)
		t.Setenv("AWS_CONFIG_FILE", saved(t, t.TempDir()+"/config", `[default]
role_arn = arn:aws:iam::123456789012:role/rotatord
source_profile = base
[profile base]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = example`))
	},
	"SSO": func(t *testing.T, address string, _ *Config) {
		withoutKeys(t)
		const start = "https://example.awsapps.com/start"
		home := t.TempDir()
		t.Setenv("HOME", home)
		t.Setenv("AWS_ENDPOINT_URL_SSO", address)
		t.Setenv("AWS_CONFIG_FILE", saved(t, home+"/config", `[default]
sso_start_url = `+start+`
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = rotatord`))
		cache := fmt.Sprintf("%s/.aws/sso/cache/%x.json", home, sha1.Sum([]byte(start)))
		saved(t, cache, `{"startUrl":"`+start+`","region":"eu-west-1","accessToken":"sso","expiresAt":"2199-01-01T00:00:00Z"}`)
	},
	"a container's metadata": func(t *testing.T, address string, _ *Config) {
		withoutKeys(t)
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address+"/creds")
		t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "authorisation")
	},
	"an instance's metadata": func(t *testing.T, address string, _ *Config) {
		withoutKeys(t)
		t.Setenv("AWS_EC2_METADATA_DISABLED", "")
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
	},
}

func withoutKeys(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
}

func saved(t *testing.T, path, text string) string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// openFrom opens a sink whose credentials come from source at address.
func openFrom(t *testing.T, source, address string, timeout time.Duration) sinks.Sink {
	t.Helper()
	server := awstest.New(t)
	credentials(t, server)
	c := configFor(server)
	c.Timeout = timeout
	sources[source](t, address, c)
	return openSink(t, c)
}

func TestARedirectOfWhoeverGivesCredentialsIsRefused(t *testing.T) {
	for source := range sources {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(source, " ", status), func(t *testing.T) {
				var asked, reached atomic.Int64
				elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
				defer elsewhere.Close()
				front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					asked.Add(1)
					http.Redirect(w, r, elsewhere.URL, status)
				}))
				defer front.Close()
				_, err := openFrom(t, source, front.URL, time.Minute).Read(t.Context(), "moq/a")
				if asked.Load() == 0 {
					t.Fatal("nobody asked for credentials: the test cannot fail")
				}
				f := fault.Of(err)
				if f == nil || f.Reason != fault.BadAnswer || !strings.Contains(f.Error(), elsewhere.URL) {
					t.Errorf("Read = %v, want a bad answer that names %s", err, elsewhere.URL)
				}
				if reached.Load() > 0 {
					t.Error("the redirect was followed")
				}
			})
		}
	}
}

func TestTheAnswersOfWhoeverGivesCredentialsAreBounded(t *testing.T) {
	for source := range sources {
		for name, c := range map[string]struct {
			more    string // is sent until nobody listens
			pause   time.Duration
			timeout time.Duration
			reason  fault.Reason
		}{
			"endless": {strings.Repeat("x", 64<<10), 0, time.Minute, fault.BadAnswer},
			"drips":   {" ", 10 * time.Millisecond, 200 * time.Millisecond, fault.Timeout},
			"silent":  {"", 10 * time.Millisecond, 200 * time.Millisecond, fault.Timeout},
		} {
			t.Run(source+" "+name, func(t *testing.T) {
				var asked atomic.Int64
				front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					asked.Add(1)
					_, _ = io.Copy(io.Discard, r.Body) // or the server does not see the client go
					for r.Context().Err() == nil {
						if _, err := io.WriteString(w, c.more); err != nil {
							return
						}
						if c.more != "" {
							_ = http.NewResponseController(w).Flush()
						}
						<-time.After(c.pause)
					}
				}))
				defer front.Close()
				_, err := openFrom(t, source, front.URL, c.timeout).Read(t.Context(), "moq/a")
				if f := fault.Of(err); f == nil || f.Reason != c.reason || asked.Load() == 0 {
					t.Errorf("Read = %v (asked %d times), want %s", err, asked.Load(), c.reason)
				}
			})
		}
	}
}
