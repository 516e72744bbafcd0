package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// muteServer stands before a server, takes the requests that it is told to, and never answers them.
type muteServer struct {
	url  string
	ones atomic.Pointer[func(*http.Request) bool]
	held atomic.Int32 // requests so far
}

func newMuteServer(t *testing.T, server string) *muteServer {
	t.Helper()
	to := harness.Must[*url.URL](t)(url.Parse(server))
	m, proxy := &muteServer{}, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // which AWS's signature is about
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ones := m.ones.Load(); ones != nil && (*ones)(r) {
			m.held.Add(1)
			_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client leaves
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	m.url = front.URL
	return m
}

// leave no longer answers the requests that a function names.
func (m *muteServer) leave(ones func(*http.Request) bool) { m.ones.Store(&ones) }

// isAsked waits for a request that is not answered.
func (m *muteServer) isAsked(t *testing.T) {
	t.Helper()
	harness.Eventually(t, time.Minute, "waiting for a call", func() error {
		if m.held.Load() == 0 {
			return errors.New("there is none")
		}
		return nil
	})
}

func (m *muteServer) answer() { m.ones.Store(nil) }

func method(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == name }
}

func all(*http.Request) bool { return true }

// vaultCall names reads or writes of values.
func vaultCall(methods string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return strings.Contains(methods, r.Method) && strings.Contains(r.URL.Path, "/data/moq")
	}
}

func awsCall(op string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get("X-Amz-Target") == "secretsmanager."+op }
}

// servers are a Cloudflare, a Vault and an AWS that may fall silent.
type servers struct {
	cloudflare, vault, aws *muteServer
	realVault              *vaulttest.Server
}

const stopWithin = 5 * time.Second

// newMuteWorld has one slot, whose token goes to Vault and to AWS.
func newMuteWorld(t *testing.T, strategy string) (*world, servers) {
	t.Helper()
	w, vault, aws := newWorld(t, 1), vaulttest.Start(t), awstest.New(t)
	w.Put("vault-token", vault.RootToken)
	w.env = append(w.env, harness.AWSEnv()...)
	s := servers{newMuteServer(t, strings.TrimSuffix(w.api.url, cfsim.BasePath)), newMuteServer(t, vault.Address), newMuteServer(t, aws.URL), vault}
	w.api.url = s.cloudflare.url + cfsim.BasePath
	grace := ", grace: 1s"
	if strategy == "in_place" {
		grace = ""
	}
	w.configure(settings{
		Top: fmt.Sprintf("shutdown_timeout: %s\n", stopWithin),
		Sinks: fmt.Sprintf("  vault: {type: vault, address: \"%s\", timeout: 5m, path: \"moq/{{.Relay}}\", auth: {token: {file: %s}}}\n", s.vault.url, w.Path("vault-token")) +
			fmt.Sprintf("  aws: {type: aws_secrets_manager, timeout: 5m, region: %s, endpoint_url: \"%s\", secret_id: \"moq/{{.Relay}}\", format: raw}\n", awstest.Region, s.aws.url),
		Defaults: fmt.Sprintf("{schedule: manual, initial: schedule, strategy: %s%s, sinks: [vault, aws, disk]}", strategy, grace),
	})
	return w, s
}

// TestAStopEndsInTimeWhoeverDoesNotAnswer stops in each step, and starts again when all answer.
func TestAStopEndsInTimeWhoeverDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		strategy string
		of       func(servers) *muteServer
		ones     func(*http.Request) bool
		second   bool // the second rotation, after which there is a token to retire
	}{
		"Cloudflare, create":              {"overlap", servers.itsCloudflare, method("POST"), false},
		"Cloudflare, rotate":              {"in_place", servers.itsCloudflare, method("POST"), false},
		"Cloudflare, list":                {"overlap", servers.itsCloudflare, method("GET"), true},
		"Cloudflare, revoke":              {"overlap", servers.itsCloudflare, method("DELETE"), true},
		"Vault, all":                      {"overlap", servers.itsVault, all, false},
		"Vault, look":                     {"overlap", servers.itsVault, vaultCall("GET"), true},
		"Vault, write":                    {"overlap", servers.itsVault, vaultCall("PUT POST"), false},
		"Vault, write in a blackout":      {"in_place", servers.itsVault, vaultCall("PUT POST"), false},
		"AWS, all":                        {"overlap", servers.itsAWS, all, false},
		"AWS, look":                       {"overlap", servers.itsAWS, awsCall("DescribeSecret"), false},
		"AWS, first write, in a blackout": {"in_place", servers.itsAWS, awsCall("CreateSecret"), false},
		"AWS, read back":                  {"overlap", servers.itsAWS, awsCall("GetSecretValue"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := newMuteWorld(t, c.strategy)
			d := w.start()
			if c.second {
				d.rotatord("rotate", "live").Expect(t, 0)
			}
			mute := c.of(s)
			mute.leave(c.ones)
			d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
			mute.isAsked(t)
			d.stopsInTime()

			mute.answer()
			d = w.start()
			d.untilSlot("live/subscribe", func(s slot.Status) bool {
				return s.Failure == nil && s.Requested.IsZero() && !s.LastRotation.IsZero()
			})
			d.served(0, "live/subscribe")
			d.until(func() error {
				if n := w.ownTokens(); c.strategy == "overlap" && n != 1 {
					return fmt.Errorf("the relay holds %d tokens of ours", n)
				}
				return nil
			})
		})
	}
}

// Who does not answer while the daemon starts, and before any slot has a token, holds up no stop either.
func TestAStopWhileTheDaemonStartsEndsInTimeThoughNobodyAnswers(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(servers) *muteServer{
		"Cloudflare": servers.itsCloudflare, "Vault": servers.itsVault, "AWS": servers.itsAWS,
	} {
		for _, verb := range [][]string{{"run"}, {"run", "--once"}} {
			t.Run(name+", "+strings.Join(verb, " "), func(t *testing.T) {
				t.Parallel()
				w, s := newMuteWorld(t, "overlap")
				w.Put("config.yaml", strings.Replace(w.Read("config.yaml"), "initial: schedule", "initial: now", 1))
				mute := of(s)
				mute.leave(all)
				d := w.launch(verb...)
				mute.isAsked(t)
				if verb = verb[1:]; len(verb) == 0 {
					d.stopsInTime()
					return
				}
				began := time.Now()
				if code := d.stop(); code > 1 || time.Since(began) > stopWithin {
					t.Errorf("it ended with code %d after %s", code, time.Since(began))
				}
			})
		}
	}
}

// ownTokens counts what the relay holds of rotatord's.
func (w *world) ownTokens() (n int) {
	for _, t := range w.sim.Tokens(harness.RelayID(0)) {
		if strings.HasPrefix(t.Label, "rotatord-") {
			n++
		}
	}
	return n
}

func (s servers) itsCloudflare() *muteServer { return s.cloudflare }
func (s servers) itsVault() *muteServer      { return s.vault }
func (s servers) itsAWS() *muteServer        { return s.aws }

// stopsInTime stops the daemon, which says of no fault.
func (d *daemon) stopsInTime() {
	d.t.Helper()
	began := time.Now()
	d.Signal(syscall.SIGTERM)
	if code := d.wait(); code != 0 {
		d.t.Fatalf("it ends with code %d", code)
	}
	if took := time.Since(began); took > stopWithin {
		d.t.Errorf("it took %s to stop", took)
	}
	for _, line := range d.logs.lines() {
		if line["level"] == "error" || strings.Contains(fmt.Sprint(line), "cannot be written") {
			d.t.Errorf("it says %v", line)
		}
	}
}
