package awssm

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
)

const testRole = "arn:aws:iam::123456789012:role/rotatord"

// team opens two sinks that share what was refused.
func team(t *testing.T, c *Config) (*sinks.Logins, []sinks.Sink) {
	t.Helper()
	logins := sinks.NewLogins()
	var out []sinks.Sink
	for _, name := range []string{"one", "two"} {
		s, err := c.Open(t.Context(), sinks.OpenOptions{Name: name, Logins: logins})
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		out = append(out, s)
	}
	return logins, out
}

// probeAll probes 15 targets of each sink at once and returns one of the errors.
func probeAll(t *testing.T, all []sinks.Sink) error {
	t.Helper()
	errs := make([]error, 15*len(all))
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = probe(t, all[i%len(all)], "moq/a") })
	}
	wg.Wait()
	for _, err := range errs {
		if (err == nil) != (errs[0] == nil) {
			t.Errorf("some were refused, others not: %v, %v", err, errs[0])
		}
	}
	return errs[len(errs)-1]
}

func asked(server *awstest.Server, op string) int {
	return len(slices.DeleteFunc(server.Calls(), func(c string) bool { return c != op }))
}

func TestARefusedRoleIsNotAskedForBySlotAfterSlot(t *testing.T) {
	server := awstest.New(t)
	credentials(t, server)
	server.Inject(func(op, id string) *awstest.Failure {
		f := deniedOp(op, id, "AssumeRole")
		if f != nil {
			f.Status = http.StatusForbidden
		}
		return f
	})
	c := configFor(server)
	c.RoleARN = testRole
	logins, all := team(t, c)
	for range 3 {
		wantFault(t, "Probe", probeAll(t, all), fault.Permanent, fault.Unauthorized, "sts:AssumeRole")
	}
	if err := probeAll(t, all); !strings.Contains(err.Error(), "remembered: refused once since") {
		t.Errorf("it is not said that the refusal is remembered: %v", err)
	}
	logins.AllowOnce()
	_ = probeAll(t, all)
	if n := asked(server, "AssumeRole"); n != 2 {
		t.Errorf("the role was asked for %d times, want once, and once more for a person", n)
	}
	server.Inject(nil)
	logins.AllowOnce()
	must(t, probeAll(t, all))
}

func TestARefusedWebIdentityIsRememberedUntilItsFileChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	profile := "[default]\nregion = eu-central-1\nrole_arn = " + testRole + "\nweb_identity_token_file = " + file + "\n"
	for name, env := range map[string]map[string]string{
		"environment": {"AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_ARN": testRole},
		"profile":     {"AWS_CONFIG_FILE": saved(t, filepath.Join(t.TempDir(), "config"), profile)},
	} {
		t.Run(name, func(t *testing.T) {
			server := awstest.New(t)
			credentials(t, server)
			withoutKeys(t)
			for k, v := range env {
				t.Setenv(k, v)
			}
			must(t, os.WriteFile(file, []byte("another"), 0o600))
			logins, all := team(t, configFor(server))
			for range 3 {
				wantFault(t, "Probe", probeAll(t, all), fault.Permanent, fault.Unauthorized, "web identity token")
			}
			if n := asked(server, "AssumeRoleWithWebIdentity"); n != 1 {
				t.Errorf("the token was shown %d times, want once", n)
			}
			must(t, os.WriteFile(file, []byte(awstest.WebIdentityToken), 0o600))
			if got := logins.Renewed(); !slices.Equal(got, []string{"one", "two"}) {
				t.Errorf("%v are said to have a new token", got)
			}
			must(t, probeAll(t, all))
			if n := asked(server, "AssumeRoleWithWebIdentity"); n != 3 {
				t.Errorf("%d calls, want one more for each sink", n)
			}
		})
	}
}

func TestARefusalOfTheRequestIsNoneOfTheIdentity(t *testing.T) {
	server := awstest.New(t)
	credentials(t, server)
	server.Inject(func(op, _ string) *awstest.Failure {
		if strings.HasPrefix(op, "AssumeRole") {
			return &awstest.Failure{Code: "Throttling", Message: "Rate exceeded"}
		}
		return nil
	})
	c := configFor(server)
	c.RoleARN = testRole
	_, all := team(t, c)
	wantFault(t, "Probe", probeAll(t, all), fault.Retry, fault.RateLimited, "less often")
	server.Inject(nil)
	must(t, probeAll(t, all))
}
