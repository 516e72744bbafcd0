package awssm

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

// ours recognises a content.
func ours(content string) func(secret.Value) bool {
	return func(v secret.Value) bool { return v.Equal(secret.New(content)) }
}

// try probes as right before a mint.
func try(t *testing.T, s sinks.Sink, target string, ours func(secret.Value) bool) (sinks.Holding, error) {
	t.Helper()
	return s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true, Trial: secret.New("a stand-in"), Ours: ours})
}

func TestBeforeAMintAProbeRepeatsTheWriteOfWhatIsOursAndChangesNothing(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	put(t, s, "moq/a", "two", "r2")
	before, stages := len(server.Calls()), describeAll(t, server, "moq/a").VersionIdsToStages
	h, err := try(t, s, "moq/a", ours("two"))
	if err != nil || h.Untried != "" || h.Content.Reveal() != "two" {
		t.Errorf("Probe = %+v, %v; want nothing untried", h, err)
	}
	if got := server.Calls()[before+1:]; !slices.Equal(got, []string{"DescribeSecret", "GetSecretValue", "PutSecretValue"}) {
		t.Errorf("calls = %q", got)
	}
	after := describeAll(t, server, "moq/a").VersionIdsToStages
	if len(after) != len(stages) || server.Versions("moq/a") != 2 {
		t.Errorf("stages = %v, before %v", after, stages)
	}
	for id := range stages {
		if !slices.Equal(after[id], stages[id]) {
			t.Errorf("stages of %s = %v, before %v", id, after[id], stages[id])
		}
	}
}

func TestAProbeThatRepeatsAWriteTakesNothingFromWhoeverWroteMeanwhile(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	server.Inject(func(op, id string) *awstest.Failure {
		if op == awstest.Repeat {
			server.Inject(nil)
			server.Put(id, "theirs")
		}
		return nil
	})
	if _, err := try(t, s, "moq/a", ours("one")); err != nil {
		t.Error(err)
	}
	if got, _ := server.Value("moq/a"); got != "theirs" {
		t.Errorf("current = %q: the probe has put its own back", got)
	}
}

func TestAMissingPermissionToWriteShowsBeforeTheMint(t *testing.T) {
	for name, c := range map[string]struct {
		failure awstest.Failure
		hint    string
	}{
		"policy": {*deniedOp("PutSecretValue", "moq/a", "PutSecretValue"), "allow secretsmanager:PutSecretValue"},
		"key":    {awstest.Failure{Code: "EncryptionFailure", Message: "the key is disabled"}, "kms:GenerateDataKey"},
		"quoted": {awstest.Failure{Code: "AccessDeniedException", Message: "not for " + sinktest.Canary}, "PutSecretValue"},
	} {
		t.Run(name, func(t *testing.T) {
			server, s := start(t, nil)
			put(t, s, "moq/a", sinktest.Canary, "r1")
			server.Inject(func(op, _ string) *awstest.Failure {
				if op == awstest.Repeat {
					return &c.failure
				}
				return nil
			})
			_, err := try(t, sinks.Decorate("aws-prod", Type, s, 0, nil), "moq/a", ours(sinktest.Canary))
			wantFault(t, "Probe", err, fault.Permanent, fault.Forbidden, c.hint)
			sinktest.NoLeak(t, err, sinktest.Canary)
		})
	}
}

func TestAProbeSaysWhatItDidNotTryAndWritesNothingThen(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	createBinary(t, server, "moq/bytes")
	for name, c := range map[string]struct {
		target string
		o      sinks.ProbeOptions
		want   string
	}{
		"no mint follows":  {"moq/a", sinks.ProbeOptions{Read: true, Ours: ours("one")}, "PutSecretValue"},
		"not ours":         {"moq/a", sinks.ProbeOptions{Read: true, Trial: secret.New("x"), Ours: ours("other")}, "PutSecretValue"},
		"nobody can tell":  {"moq/a", sinks.ProbeOptions{Read: true, Trial: secret.New("x")}, "PutSecretValue"},
		"somebody's bytes": {"moq/bytes", sinks.ProbeOptions{Read: true, Trial: secret.New("x"), Ours: ours("other")}, "PutSecretValue"},
		"an absent secret": {"moq/none", sinks.ProbeOptions{Read: true, Trial: secret.New("x"), Ours: ours("one")}, "CreateSecret"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(server.Calls())
			h, err := s.Probe(t.Context(), c.target, c.o)
			if err != nil || !strings.Contains(h.Untried, c.want) {
				t.Errorf("Probe = %+v, %v; want %s untried", h, err, c.want)
			}
			if got := server.Calls()[before:]; slices.Contains(got, "PutSecretValue") || slices.Contains(got, "CreateSecret") {
				t.Errorf("calls = %q", got)
			}
		})
	}
}

func TestARepeatThatAWSDoesNotTakeForOneProvesNothing(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	server.Inject(func(op, _ string) *awstest.Failure {
		if op == awstest.Repeat {
			return &awstest.Failure{Code: "ResourceExistsException", Message: "exists with other content"}
		}
		return nil
	})
	if h, err := try(t, s, "moq/a", ours("one")); err != nil || h.Untried == "" {
		t.Errorf("Probe = %+v, %v; want it untried", h, err)
	}
}

func TestARotationOfAWSsOwnIsToldOf(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/a", "one", "r1")
	warned := func() []string {
		h, err := s.Probe(t.Context(), "moq/a", sinks.ProbeOptions{Read: true})
		must(t, err)
		return h.Warnings
	}
	_, err := client(server).RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String("moq/a"), RotationLambdaARN: aws.String("arn:aws:lambda:eu-west-1:123456789012:function:rotate"),
	})
	must(t, err)
	got := warned()
	if len(got) != 1 || !strings.Contains(got[0], "aws secretsmanager cancel-rotate-secret --secret-id moq/a") || !strings.Contains(got[0], "next on 20") {
		t.Errorf("warnings = %q", got)
	}
	_, err = client(server).CancelRotateSecret(t.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("moq/a")})
	must(t, err)
	if got := warned(); len(got) > 0 {
		t.Errorf("cancelled, and yet: %q", got)
	}
}

func TestAPartialARNThatLooksCompleteIsExplained(t *testing.T) {
	server, s := start(t, nil)
	server.Put("moq/live-studio", "theirs")
	arn := describe(t, server, "moq/live-studio")
	must(t, probe(t, s, arn))
	must(t, probe(t, s, "moq/live-studio"))
	err := probe(t, s, arn[:len(arn)-len("-AbCdEf")])
	wantFault(t, "Probe", err, fault.Permanent, fault.NotFound, "AWS takes an ARN that ends in a hyphen and six characters for a complete one")
}

// lookup is a network in which DNS knows nobody.
type lookup struct{ name string }

func (l lookup) RoundTrip(r *http.Request) (*http.Response, error) {
	name := l.name
	if name == "" {
		name = r.URL.Hostname()
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}}
}

func TestARegionThatDNSDoesNotKnowIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		region, endpoint, proxy, role string
		want, hint                    string
	}{
		"sink":         {region: "eu-wst-1", want: "region eu-wst-1: no such host secretsmanager.eu-wst-1.amazonaws.com", hint: "correct region"},
		"partition":    {region: "eusc-de-wst-1", want: "region eusc-de-wst-1: no such host secretsmanager.eusc-de-wst-1.amazonaws.eu", hint: "correct region"},
		"STS":          {region: "eu-wst-1", role: "arn:aws:iam::123456789012:role/r", want: "region eu-wst-1: no such host sts.eu-wst-1.amazonaws.com", hint: "correct region"},
		"environment":  {want: "region eu-mars-9: no such host secretsmanager.eu-mars-9.amazonaws.com", hint: "AWS_REGION"},
		"endpoint":     {region: "eu-wst-1", endpoint: "https://vpce.example", want: "lookup vpce.example", hint: "check the network, DNS and endpoint_url"},
		"proxy's name": {region: "eu-wst-1", proxy: "proxy.example", want: "lookup proxy.example", hint: "check the network, DNS"},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := start(t, func(config *Config) {
				config.Region, config.EndpointURL, config.RoleARN = c.region, c.endpoint, c.role
				t.Setenv("AWS_REGION", "eu-mars-9")
				t.Setenv("AWS_ENDPOINT_URL_STS", "")
			})
			s.(*renewed).inUse.Load().wire.http = &http.Client{Transport: lookup{c.proxy}}
			err := probe(t, s, "moq/a")
			wantFault(t, "Probe", err, fault.Retry, fault.Unreachable, c.hint)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
		})
	}
}
