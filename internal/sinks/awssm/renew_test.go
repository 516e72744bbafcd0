package awssm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

// shared lets the SDK take its keys from a shared file, and returns its path.
func shared(t *testing.T, s *awstest.Server) string {
	t.Helper()
	credentials(t, s)
	path := filepath.Join(t.TempDir(), "credentials")
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": path} {
		t.Setenv(name, value)
	}
	save(t, path, goodKeys)
	return path
}

const (
	goodKeys = "[default]\naws_access_key_id = " + awstest.AccessKeyID + "\naws_secret_access_key = " + awstest.SecretAccessKey + "\n"
	oldKeys  = "[default]\naws_access_key_id = AKIAOLD\naws_secret_access_key = old\n"
	halfKeys = "[default]\naws_access_key_id = " + awstest.AccessKeyID + "\n"
	fewKeys  = "[defau"
)

func save(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func openShared(t *testing.T, server *awstest.Server, change func(*Config)) *renewed {
	t.Helper()
	c := configFor(server)
	if change != nil {
		change(c)
	}
	s, err := c.Open(t.Context(), sinks.OpenOptions{Name: "aws-prod", Env: secret.NewEnvironment(os.Environ())})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s.(*renewed)
}

func TestConformanceWithASharedFile(t *testing.T) {
	server := awstest.New(t)
	path := shared(t, server)
	h := harness(server, configFor(server))
	h.Echo = nil // it has credentials of its own
	h.Open = func(t *testing.T) sinks.Sink {
		s, err := configFor(server).Open(t.Context(), sinks.OpenOptions{Name: "aws-prod", Env: secret.NewEnvironment(os.Environ())})
		must(t, err)
		return s
	}
	for name, text := range map[string]string{"half a pair": halfKeys, "half a heading": fewKeys, "empty": ""} {
		t.Run(name, func(t *testing.T) {
			h.Spoil = func(t *testing.T) func() {
				save(t, path, text)
				return func() { save(t, path, goodKeys) }
			}
			sinktest.Run(t, h)
		})
	}
}

func TestKeysThatWereReplacedInASharedFileAreTakenUpOnceTheOldOnesAreRefused(t *testing.T) {
	for name, role := range map[string]string{"as they are": "", "for a role": "arn:aws:iam::123456789012:role/rotatord"} {
		t.Run(name, func(t *testing.T) {
			server := awstest.New(t)
			path := shared(t, server)
			save(t, path, oldKeys)
			s := openShared(t, server, func(c *Config) { c.RoleARN = role })
			wantFault(t, "Probe", probe(t, s, "moq/a"), fault.Permanent, fault.Unauthorized, "")
			save(t, path, halfKeys)
			wantFault(t, "Probe", probe(t, s, "moq/a"), fault.Permanent, fault.Unauthorized, "partial credentials")
			save(t, path, goodKeys)
			must(t, s.Write(t.Context(), "moq/a", secret.New("one"), sinks.WriteOptions{RotationID: "r1"}))
			if got, _ := server.Value("moq/a"); got != "one" {
				t.Errorf("AWS holds %q", got)
			}
		})
	}
}

func TestFilesThatDidNotChangeAreNotLoadedAgain(t *testing.T) {
	server := awstest.New(t)
	path := shared(t, server)
	save(t, path, oldKeys)
	s := openShared(t, server, nil)
	before := s.inUse.Load()
	_ = probe(t, s, "moq/a")
	if changed, err := s.Refresh(t.Context()); err != nil || changed || s.inUse.Load() != before {
		t.Error("the SDK was set up anew by the same files")
	}
	if n := len(server.Calls()); n != 1 {
		t.Errorf("%d calls, want one", n)
	}
}

func TestARefreshTakesUpKeysBeforeTheOldOnesAreRefused(t *testing.T) {
	server := awstest.New(t)
	path := shared(t, server)
	save(t, path, oldKeys)
	s := openShared(t, server, nil)
	save(t, path, goodKeys)
	if changed, err := s.Refresh(t.Context()); err != nil || !changed {
		t.Errorf("Refresh: changed %t, %v", changed, err)
	}
	must(t, probe(t, s, "moq/a"))
	if calls := server.Calls(); !slices.Equal(calls, []string{"DescribeSecret"}) {
		t.Errorf("calls = %q: the old keys were tried", calls)
	}
}

func TestManyCallsWithRefusedKeysLoadTheFilesTogether(t *testing.T) {
	server := awstest.New(t)
	path := shared(t, server)
	save(t, path, oldKeys)
	s := openShared(t, server, nil)
	save(t, path, goodKeys)
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = probe(t, s, "moq/a") })
	}
	wg.Wait()
	for _, err := range errs {
		must(t, err)
	}
}

func TestNoErrorOfAFileShowsItsKeys(t *testing.T) {
	server := awstest.New(t)
	path := shared(t, server)
	save(t, path, strings.ReplaceAll(oldKeys, "\naws_secret", "\nmax_attempts = abc\naws_secret"))
	err := open(t, configFor(server))
	wantFault(t, "Open", err, fault.Permanent, fault.Setup, path)
	sinktest.NoLeak(t, err, "AKIAOLD")
}
