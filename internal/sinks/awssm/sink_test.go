package awssm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

// credentials sets the SDK's environment and shuts out the machine's own.
func credentials(t *testing.T, s *awstest.Server) {
	t.Helper()
	for k, v := range environment(s.URL, t.TempDir()) {
		t.Setenv(k, v)
	}
}

func environment(sts, empty string) map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": awstest.AccessKeyID, "AWS_SECRET_ACCESS_KEY": awstest.SecretAccessKey,
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_CONFIG_FILE": empty + "/none", "AWS_SHARED_CREDENTIALS_FILE": empty + "/none",
		"AWS_CA_BUNDLE": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "",
		"AWS_ENDPOINT_URL_STS": sts, "HTTP_PROXY": "", "http_proxy": "",
	}
}

func configFor(s *awstest.Server) *Config {
	c := NewConfig()
	c.Region, c.EndpointURL, c.SecretID = awstest.Region, s.URL, "moq/{{.Relay}}"
	return c
}

func openSink(t *testing.T, c *Config) sinks.Sink {
	t.Helper()
	s, err := c.Open(t.Context(), sinks.OpenOptions{Name: "aws-prod"})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// start returns a server and a sink on it.
func start(t *testing.T, change func(*Config)) (*awstest.Server, sinks.Sink) {
	t.Helper()
	server := awstest.New(t)
	credentials(t, server)
	c := configFor(server)
	if change != nil {
		change(c)
	}
	return server, openSink(t, c)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s sinks.Sink, target, content, rotation string) {
	t.Helper()
	must(t, s.Write(t.Context(), target, secret.New(content), sinks.WriteOptions{RotationID: rotation}))
}

func TestConformance(t *testing.T) {
	for _, format := range []sinks.Format{sinks.FormatJSON, sinks.FormatRaw} {
		t.Run(string(format), func(t *testing.T) {
			server := awstest.New(t)
			credentials(t, server)
			c := configFor(server)
			c.Format = format
			sinktest.Run(t, harness(server, c))
		})
	}
}

func harness(server *awstest.Server, c *Config) sinktest.Harness {
	var n atomic.Int64
	inject := func(f func(op, id string) *awstest.Failure) func() {
		server.Inject(f)
		return func() { server.Inject(nil) }
	}
	front := *c
	return sinktest.Harness{
		Front: &sinktest.Front{Store: server.URL, Open: func(t *testing.T, address string, timeout time.Duration) sinks.Sink {
			front.EndpointURL, front.Timeout = address, timeout
			s, err := front.Open(t.Context(), sinks.OpenOptions{Name: "aws-prod"})
			must(t, err)
			return s
		}},
		Open: func(t *testing.T) sinks.Sink {
			s, err := c.Open(t.Context(), sinks.OpenOptions{Name: "aws-prod"})
			must(t, err)
			return s
		},
		Target:   func(*testing.T) string { return fmt.Sprintf("moq/relay%d/subscribe", n.Add(1)) },
		Peek:     func(_ *testing.T, target string) (string, bool) { return server.Value(target) },
		Foreign:  func(_ *testing.T, target string) { server.Put(target, "somebody else's") },
		Versions: func(_ *testing.T, target string) int { return server.Versions(target) },
		Break: func(*testing.T) func() {
			return inject(func(string, string) *awstest.Failure { return &awstest.Failure{Dropped: true} })
		},
		Deny: func(*testing.T, string) func() {
			return inject(func(op, id string) *awstest.Failure { return deniedOp(op, id, "PutSecretValue") })
		},
		ProbeBlind: true,
		Echo:       echo(c),
		Hang: func(*testing.T) func() {
			gone := make(chan struct{})
			undo := inject(func(string, string) *awstest.Failure { return &awstest.Failure{Hang: gone} })
			return func() { undo(); close(gone) }
		},
	}
}

// sessionToken is what AWS's temporary credentials bring.
const sessionToken = "FwoGZXIvYXdzEBYaDHqa0AP1/8VbYbWn5GbK+NprKxS9nQ2zVg7sTdUcEo4yRkHm3ZiLw=="

func echo(c *Config) *sinktest.Echo {
	return &sinktest.Echo{
		Open: func(t *testing.T, address string) (sinks.Sink, []string) {
			t.Setenv("AWS_SESSION_TOKEN", sessionToken)
			elsewhere := *c
			elsewhere.EndpointURL = address
			s, err := elsewhere.Open(t.Context(), sinks.OpenOptions{Name: "aws-prod"})
			must(t, err)
			return s, []string{sessionToken}
		},
		Error: func(text string) string {
			body, _ := json.Marshal(map[string]string{"__type": "ValidationException", "message": text})
			return string(body)
		},
		Grant: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("X-Amz-Target") != "secretsmanager.DescribeSecret" {
				return false
			}
			_, _ = io.WriteString(w, "{}")
			return true
		},
	}
}

func deniedOp(op, id, which string) *awstest.Failure {
	if op != which {
		return nil
	}
	return &awstest.Failure{Code: "AccessDeniedException", Message: "User: arn:aws:iam::123456789012:user/rotatord is not authorized to perform: secretsmanager:" +
		op + " on resource: " + id + " because no identity-based policy allows the action"}
}

func TestAWriteMovesThePreviousValueToAWSPREVIOUS(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	put(t, s, "moq/a", "two", "r2")
	put(t, s, "moq/a", "two", "r2")
	if got, _ := server.Value("moq/a"); got != "two" || server.Versions("moq/a") != 2 {
		t.Errorf("current %q, %d versions; want two, 2", got, server.Versions("moq/a"))
	}
	if got := stageOf(t, server, "moq/a", "AWSPREVIOUS"); got != "one" {
		t.Errorf("AWSPREVIOUS = %q, want one", got)
	}
}

func TestALostAnswerIsRepeatedWithoutASecondVersion(t *testing.T) {
	for _, op := range []string{"CreateSecret", "PutSecretValue"} {
		t.Run(op, func(t *testing.T) {
			server, s := start(t, nil)
			if op == "PutSecretValue" {
				put(t, s, "moq/a", "one", "r1")
			}
			before := server.Versions("moq/a")
			server.Inject(func(o, _ string) *awstest.Failure {
				if o == op {
					return &awstest.Failure{Lost: true}
				}
				return nil
			})
			err := s.Write(t.Context(), "moq/a", secret.New("two"), sinks.WriteOptions{RotationID: "r2"})
			if f := fault.Of(err); f == nil || f.Class != fault.Retry || f.Reason != fault.Unreachable {
				t.Errorf("error = %v, want one to retry", err)
			}
			server.Inject(nil)
			put(t, s, "moq/a", "two", "r2")
			if got, _ := server.Value("moq/a"); got != "two" || server.Versions("moq/a") != before+1 {
				t.Errorf("current %q, %d versions; want two, %d", got, server.Versions("moq/a"), before+1)
			}
		})
	}
}

func TestAReadAfterAWriteIsOfTheVersionThatWasWritten(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	put(t, s, "moq/a", "two", "r2")
	server.Lag("moq/a", 1)
	for _, want := range []string{"two", "one", "two"} { // the second goes by stage, as a look for drift does
		if h, err := s.Read(t.Context(), "moq/a"); err != nil || h.Content.Reveal() != want {
			t.Errorf("Read = %+v, %v; want %s", h, err, want)
		}
	}
}

func TestAReadAfterAWriteShowsAnotherWriter(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	server.Put("moq/a", "theirs")
	if h, err := s.Read(t.Context(), "moq/a"); err != nil || h.Content.Reveal() != "theirs" {
		t.Errorf("Read = %+v, %v; want what consumers get", h, err)
	}
}

// AWS is eventually consistent: a version that was acknowledged may not be there yet.
func TestAVersionThatIsNotThereYetIsNotTakenForAnAnswer(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	put(t, s, "moq/a", "two", "r2")
	server.Lag("moq/a", 1)
	server.Inject(func(op, _ string) *awstest.Failure {
		server.Inject(nil)
		return &awstest.Failure{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret value for VersionId: " + op}
	})
	if h, err := s.Read(t.Context(), "moq/a"); err != nil || !h.Exists || h.Content.Reveal() != "one" {
		t.Errorf("Read = %+v, %v; want what consumers get by now", h, err)
	}
}

func TestAnAbsentSecretIsCreatedOnlyWhenThatIsAllowed(t *testing.T) {
	server, s := start(t, func(c *Config) { c.Create = false })
	for op, err := range map[string]error{
		"Probe": probe(t, s, "moq/a"),
		"Write": s.Write(t.Context(), "moq/a", secret.New("one"), sinks.WriteOptions{RotationID: "r1"}),
	} {
		wantFault(t, op, err, fault.Permanent, fault.NotFound, "create: true")
	}
	server.Put("moq/a", "theirs")
	put(t, s, "moq/a", "one", "r1")
}

func TestAnARNIsWrittenButNotCreated(t *testing.T) {
	server, s := start(t, nil)
	server.Put("moq/a", "theirs")
	arn := describe(t, server, "moq/a")
	put(t, s, arn, "one", "r1")
	if got, _ := server.Value("moq/a"); got != "one" {
		t.Errorf("current = %q", got)
	}
	err := s.Write(t.Context(), strings.Replace(arn, "moq/a", "moq/b", 1), secret.New("one"), sinks.WriteOptions{RotationID: "r1"})
	wantFault(t, "Write", err, fault.Permanent, fault.NotFound, "create the secret")
}

func TestACreatedSecretHasTheConfiguredKeyAndTags(t *testing.T) {
	server, s := start(t, func(c *Config) { c.KMSKeyID, c.Tags = "alias/moq", map[string]string{"team": "video"} })
	put(t, s, "moq/a", "one", "r1")
	out := describeAll(t, server, "moq/a")
	if got := *out.KmsKeyId; got != "alias/moq" {
		t.Errorf("key = %q", got)
	}
	if len(out.Tags) != 1 || *out.Tags[0].Key != "team" || *out.Tags[0].Value != "video" {
		t.Errorf("tags = %+v", out.Tags)
	}
}

func TestASecretMarkedForDeletionSaysHowToRestoreIt(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	deleteSecret(t, server, "moq/a")
	for op, err := range map[string]error{
		"Probe": probe(t, s, "moq/a"),
		"Write": s.Write(t.Context(), "moq/a", secret.New("two"), sinks.WriteOptions{RotationID: "r2"}),
	} {
		wantFault(t, op, err, fault.Permanent, fault.NotFound, "aws secretsmanager restore-secret --secret-id moq/a")
	}
	if got, err := s.Read(t.Context(), "moq/a"); err != nil || !got.Known || got.Exists {
		t.Errorf("Read = %+v, %v; want absent", got, err)
	}
}

func TestBytesAreForeign(t *testing.T) {
	server, s := start(t, nil)
	createBinary(t, server, "moq/a")
	got, err := s.Read(t.Context(), "moq/a")
	if err != nil || !got.Known || !got.Exists || !got.Content.IsEmpty() {
		t.Errorf("Read = %+v, %v; want something foreign", got, err)
	}
	put(t, s, "moq/a", "one", "r1")
}

func TestAProbeNeedsTheValueOnlyWhenItIsToBeRead(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	server.Inject(func(op, id string) *awstest.Failure { return deniedOp(op, id, "GetSecretValue") })
	if got, err := s.Probe(t.Context(), "moq/a", sinks.ProbeOptions{Read: false}); err != nil || got.Known {
		t.Errorf("Probe = %+v, %v; want not known", got, err)
	}
	wantFault(t, "Probe", probe(t, s, "moq/a"), fault.Permanent, fault.Forbidden, "GetSecretValue")
}

func TestAProbeOnlyLooks(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	before := len(server.Calls())
	must(t, probe(t, s, "moq/a"))
	must(t, probe(t, s, "moq/absent"))
	if got := server.Calls()[before:]; !slices.Equal(got, []string{"DescribeSecret", "GetSecretValue", "DescribeSecret"}) {
		t.Errorf("calls = %q", got)
	}
}

func TestErrorsAreClassedByAWSCode(t *testing.T) {
	for _, c := range []struct {
		status        int
		code, message string
		class         fault.Class
		reason        fault.Reason
		hint          string
	}{
		{400, "AccessDeniedException", "not authorized", fault.Permanent, fault.Forbidden, "secretsmanager:PutSecretValue"},
		{400, "AccessDeniedException", "Access to KMS is not allowed", fault.Permanent, fault.Forbidden, "kms:GenerateDataKey"},
		{400, "EncryptionFailure", "key disabled", fault.Permanent, fault.Forbidden, "kms:"},
		{400, "DecryptionFailure", "key disabled", fault.Permanent, fault.Forbidden, "kms:"},
		{403, "UnrecognizedClientException", "invalid token", fault.Permanent, fault.Unauthorized, "credentials"},
		{403, "ExpiredTokenException", "expired", fault.Retry, fault.Unauthorized, "renew"},
		{403, "InvalidSignatureException", "does not match", fault.Permanent, fault.Unauthorized, "clock"},
		{400, "ThrottlingException", "Rate exceeded", fault.Retry, fault.RateLimited, "less often"},
		{400, "LimitExceededException", "too many versions", fault.Retry, fault.Full, "quota"},
		{400, "InvalidParameterException", "no", fault.Permanent, fault.Invalid, ""},
		{400, "InvalidRequestException", "managed by another", fault.Permanent, fault.Invalid, "describe-secret"},
		{500, "InternalServiceError", "oops", fault.Retry, fault.ServerError, ""},
		{503, "Surprise", "oops", fault.Retry, fault.ServerError, ""},
		{429, "Surprise", "oops", fault.Retry, fault.RateLimited, ""},
		{403, "Surprise", "oops", fault.Permanent, fault.Forbidden, ""},
		{400, "Surprise", "oops", fault.Permanent, fault.Invalid, ""},
	} {
		t.Run(c.code+" "+c.message, func(t *testing.T) {
			server, s := start(t, nil)
			server.Inject(func(string, string) *awstest.Failure {
				return &awstest.Failure{Status: c.status, Code: c.code, Message: c.message}
			})
			err := s.Write(t.Context(), "moq/a", secret.New("one"), sinks.WriteOptions{RotationID: "r1"})
			wantFault(t, "Write", err, c.class, c.reason, c.hint)
			for _, want := range []string{c.code, c.message, "request id request-", "moq/a"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
			if calls := server.Calls(); len(calls) != 1 {
				t.Errorf("calls = %q: the SDK tried again by itself", calls)
			}
		})
	}
}

func TestAMessageThatQuotesTheValueIsRedacted(t *testing.T) {
	server, s := start(t, nil)
	const canary = sinktest.Canary
	for _, message := range []string{
		"1 validation error detected: Value '" + canary + "' at 'secretString' failed to satisfy constraint",
		"I was sent " + canary + " and do not like it",
	} {
		server.Inject(func(string, string) *awstest.Failure {
			return &awstest.Failure{Code: "ValidationException", Message: message}
		})
		err := sinks.Decorate("aws-prod", Type, s, 0, nil).Write(t.Context(), "moq/a", secret.New(canary), sinks.WriteOptions{RotationID: "r1"})
		wantFault(t, "Write", err, fault.Permanent, fault.Invalid, "")
		sinktest.NoLeak(t, err, canary)
		if !strings.Contains(err.Error(), secret.Redacted) {
			t.Errorf("nothing was redacted: the value did not come back: %v", err)
		}
	}
}

func TestARetryAfterIsHandedOn(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "2147483647")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"__type": "ServiceUnavailable"}`))
	}))
	defer busy.Close()
	_, s := start(t, func(c *Config) { c.EndpointURL = busy.URL })
	err := s.Write(t.Context(), "moq/a", secret.New("one"), sinks.WriteOptions{RotationID: "r1"})
	wantFault(t, "Write", err, fault.Retry, fault.ServerError, "")
	if f := fault.Of(err); f.After != 2147483647*time.Second {
		t.Errorf("the error asks for %s", f.After)
	}
}

func TestAnAnswerThatIsNoJSONIsABadAnswer(t *testing.T) {
	_, s := start(t, func(c *Config) { c.EndpointURL = newHTML(t) })
	err := s.Write(t.Context(), "moq/a", secret.New("one"), sinks.WriteOptions{RotationID: "r1"})
	wantFault(t, "Write", err, fault.Retry, fault.BadAnswer, "endpoint_url")
}

func TestMissingCredentialsSayWhatToGive(t *testing.T) {
	server := awstest.New(t)
	credentials(t, server)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	s := openSink(t, configFor(server))
	wantFault(t, "Probe", probe(t, s, "moq/a"), fault.Retry, fault.Unauthorized, "give rotatord working AWS credentials")
}

func TestWrongCredentialsAreUnauthorized(t *testing.T) {
	server := awstest.New(t)
	credentials(t, server)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	s := openSink(t, configFor(server))
	wantFault(t, "Probe", probe(t, s, "moq/a"), fault.Permanent, fault.Unauthorized, "secret access key")
}

func TestAMissingRegionSaysSo(t *testing.T) {
	_, s := start(t, func(c *Config) { c.Region, c.EndpointURL = "", "" })
	wantFault(t, "Probe", probe(t, s, "moq/a"), fault.Permanent, fault.Invalid, "set region")
}

func TestAClockThatIsOffIsATransientErrorWithAHint(t *testing.T) {
	server, s := start(t, nil)
	server.SetSkew(time.Hour)
	wantFault(t, "Probe", probe(t, s, "moq/a"), fault.Retry, fault.Unauthorized, "clock")
	must(t, probe(t, s, "moq/a")) // the SDK has learnt the time from the answer
}

func TestARoleIsAssumedOnceForManyCalls(t *testing.T) {
	server, s := start(t, func(c *Config) { c.RoleARN = "arn:aws:iam::123456789012:role/rotatord" })
	put(t, s, "moq/a", "one", "r1")
	put(t, s, "moq/a", "two", "r2")
	if got := server.Calls(); !slices.Equal(got, []string{"AssumeRole", "PutSecretValue", "CreateSecret", "PutSecretValue"}) {
		t.Errorf("calls = %q", got)
	}
}

func TestARoleThatMayNotBeAssumedIsNamed(t *testing.T) {
	server, s := start(t, func(c *Config) { c.RoleARN = "arn:aws:iam::123456789012:role/rotatord" })
	server.Inject(func(op, id string) *awstest.Failure {
		f := deniedOp(op, id, "AssumeRole")
		if f != nil {
			f.Status = http.StatusForbidden
		}
		return f
	})
	err := probe(t, s, "moq/a")
	wantFault(t, "Probe", err, fault.Permanent, fault.Unauthorized, "sts:AssumeRole")
	if !strings.Contains(err.Error(), "STS AccessDenied") {
		t.Errorf("the service is not named: %v", err)
	}
}

func TestAnEndpointOfTheEnvironmentIsHeldToTheSameRule(t *testing.T) {
	server := awstest.New(t)
	credentials(t, server)
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://secrets.example")
	c := configFor(server)
	c.EndpointURL = ""
	_, err := c.Open(t.Context(), sinks.OpenOptions{Name: "aws-prod"})
	wantFault(t, "Open", err, fault.Permanent, fault.Invalid, "insecure: true")
	c.Insecure = true
	openSink(t, c)
}

// STS answers with credentials.
func TestARoleIsAskedForInClearOnLoopbackAlone(t *testing.T) {
	server := awstest.New(t)
	credentials(t, server)
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://sts.example")
	openSink(t, configFor(server)) // which asks for none
	profile := "[default]\nregion = eu-central-1\nrole_arn = " + testRole + "\nsource_profile = base\n" +
		"[profile base]\naws_access_key_id = A\naws_secret_access_key = B\n"
	for name, c := range map[string]struct{ role, profile string }{"of the sink": {role: testRole}, "of a profile": {profile: profile}} {
		t.Run(name, func(t *testing.T) {
			if c.profile != "" {
				withoutKeys(t)
				t.Setenv("AWS_CONFIG_FILE", saved(t, filepath.Join(t.TempDir(), "config"), c.profile))
			}
			config := configFor(server)
			config.RoleARN = c.role
			_, err := config.Open(t.Context(), sinks.OpenOptions{Name: "aws-prod"})
			wantFault(t, "Open", err, fault.Permanent, fault.Invalid, "AWS_ENDPOINT_URL_STS")
			config.Insecure = true
			openSink(t, config)
		})
	}
}

func TestASecretThatSomebodyElseCreatesMeanwhileIsWritten(t *testing.T) {
	server, s := start(t, nil)
	server.Inject(func(op, id string) *awstest.Failure {
		if op == "CreateSecret" {
			server.Put(id, "theirs")
		}
		return nil
	})
	put(t, s, "moq/a", "one", "r1")
	if got, _ := server.Value("moq/a"); got != "one" || server.Versions("moq/a") != 2 {
		t.Errorf("current %q, %d versions; want one, 2", got, server.Versions("moq/a"))
	}
}

// Two writers move the label at once: whoever comes second is told to look again.
func TestAStageThatSomebodyElseMovedIsAConflict(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	put(t, s, "moq/a", "two", "r2")
	server.Inject(func(op, id string) *awstest.Failure {
		if op == "UpdateSecretVersionStage" {
			server.Inject(nil)
			server.Put(id, "theirs")
		}
		return nil
	})
	err := s.Write(t.Context(), "moq/a", secret.New("one"), sinks.WriteOptions{RotationID: "r1"})
	wantFault(t, "Write", err, fault.Retry, fault.Conflict, "another writer")
	put(t, s, "moq/a", "one", "r1")
	if got, _ := server.Value("moq/a"); got != "one" {
		t.Errorf("current = %q, want one", got)
	}
}

func probe(t *testing.T, s sinks.Sink, target string) error {
	t.Helper()
	_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
	return err
}

func wantFault(t *testing.T, op string, err error, class fault.Class, reason fault.Reason, hint string) {
	t.Helper()
	f := fault.Of(err)
	if f == nil || f.Class != class || f.Reason != reason || !strings.Contains(f.Hint, hint) {
		t.Errorf("%s: %+v\nwant %s, %s, hint with %q", op, err, class, reason, hint)
	}
}
