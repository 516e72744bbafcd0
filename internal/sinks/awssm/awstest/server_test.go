package awstest_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
)

func newClient(s *awstest.Server, key, secret, session string) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: awstest.Region, BaseEndpoint: &s.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, session),
	})
}

func start(t *testing.T) (*awstest.Server, *secretsmanager.Client) {
	t.Helper()
	s := awstest.New(t)
	return s, newClient(s, awstest.AccessKeyID, awstest.SecretAccessKey, "")
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantCode(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("error = %v, want %s with %q", err, code, text)
	}
}

// token is a ClientRequestToken of the length that AWS wants.
func token(s string) *string { return aws.String(s + strings.Repeat("-", 32-len(s))) }

func create(t *testing.T, c *secretsmanager.Client, name, id, value string) (*secretsmanager.CreateSecretOutput, error) {
	t.Helper()
	return c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, ClientRequestToken: token(id), SecretString: &value})
}

func put(t *testing.T, c *secretsmanager.Client, name, id, value string, stages ...string) (*secretsmanager.PutSecretValueOutput, error) {
	t.Helper()
	return c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &name, ClientRequestToken: token(id), SecretString: &value, VersionStages: stages,
	})
}

func stages(t *testing.T, c *secretsmanager.Client, name string) map[string][]string {
	t.Helper()
	return must[*secretsmanager.DescribeSecretOutput](t)(c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &name})).VersionIdsToStages
}

func wantStages(t *testing.T, got map[string][]string, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("stages = %v, want %v", got, want)
	}
	for id, stage := range want {
		if !slices.Equal(got[*token(id)], []string{stage}) {
			t.Errorf("stages of %s = %v, want %s", id, got[*token(id)], stage)
		}
	}
}

func TestANewCurrentVersionMovesThePreviousLabel(t *testing.T) {
	_, c := start(t)
	must[*secretsmanager.CreateSecretOutput](t)(create(t, c, "a", "v1", "one"))
	wantStages(t, stages(t, c, "a"), map[string]string{"v1": "AWSCURRENT"})
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v2", "two"))
	wantStages(t, stages(t, c, "a"), map[string]string{"v1": "AWSPREVIOUS", "v2": "AWSCURRENT"})
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v3", "three"))
	wantStages(t, stages(t, c, "a"), map[string]string{"v2": "AWSPREVIOUS", "v3": "AWSCURRENT"})
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v4", "four", "AWSPENDING"))
	wantStages(t, stages(t, c, "a"), map[string]string{"v2": "AWSPREVIOUS", "v3": "AWSCURRENT", "v4": "AWSPENDING"})
}

func TestVersionsWithoutALabelAreListedOnRequest(t *testing.T) {
	_, c := start(t)
	must[*secretsmanager.CreateSecretOutput](t)(create(t, c, "a", "v1", "one"))
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v2", "two"))
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v3", "three"))
	for deprecated, want := range map[bool]int{false: 2, true: 3} {
		out := must[*secretsmanager.ListSecretVersionIdsOutput](t)(c.ListSecretVersionIds(t.Context(),
			&secretsmanager.ListSecretVersionIdsInput{SecretId: aws.String("a"), IncludeDeprecated: &deprecated}))
		if len(out.Versions) != want {
			t.Errorf("deprecated %t: %d versions, want %d", deprecated, len(out.Versions), want)
		}
	}
}

func TestATokenIsIdempotent(t *testing.T) {
	s, c := start(t)
	first := must[*secretsmanager.CreateSecretOutput](t)(create(t, c, "a", "v1", "one"))
	again := must[*secretsmanager.CreateSecretOutput](t)(create(t, c, "a", "v1", "one"))
	if *first.ARN != *again.ARN || *again.VersionId != *token("v1") {
		t.Errorf("creating again gives %s, %s", *again.ARN, *again.VersionId)
	}
	_, err := create(t, c, "a", "v1", "other")
	wantCode(t, err, "ResourceExistsException", "already exists")
	out := must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v1", "one"))
	if !slices.Equal(out.VersionStages, []string{"AWSCURRENT"}) || s.Versions("a") != 1 {
		t.Errorf("putting again gives %v, %d versions", out.VersionStages, s.Versions("a"))
	}
	_, err = put(t, c, "a", "v1", "other")
	wantCode(t, err, "ResourceExistsException", "ClientRequestToken")
	if got, _ := s.Value("a"); got != "one" {
		t.Errorf("value = %q", got)
	}
}

func TestAnOldTokenDoesNotComeBackAsCurrent(t *testing.T) {
	_, c := start(t)
	must[*secretsmanager.CreateSecretOutput](t)(create(t, c, "a", "v1", "one"))
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v2", "two"))
	out := must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v1", "one"))
	if !slices.Equal(out.VersionStages, []string{"AWSPREVIOUS"}) {
		t.Errorf("stages = %v", out.VersionStages)
	}
}

func TestALabelIsMovedOnlyFromTheVersionThatIsNamed(t *testing.T) {
	_, c := start(t)
	must[*secretsmanager.CreateSecretOutput](t)(create(t, c, "a", "v1", "one"))
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v2", "two"))
	move := func(to, from *string) error {
		_, err := c.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: aws.String("a"), VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: to, RemoveFromVersionId: from,
		})
		return err
	}
	wantCode(t, move(token("v1"), nil), "InvalidParameterException", "RemoveFromVersionId")
	wantCode(t, move(token("v1"), token("v1")), "InvalidParameterException", "RemoveFromVersionId")
	wantCode(t, move(token("v9"), token("v2")), "ResourceNotFoundException", "")
	wantCode(t, move(nil, token("v2")), "InvalidParameterException", "completely removed")
	if err := move(token("v1"), token("v2")); err != nil {
		t.Error(err)
	}
	wantStages(t, stages(t, c, "a"), map[string]string{"v1": "AWSCURRENT", "v2": "AWSPREVIOUS"})
}

func TestADeletedSecretRefusesUntilItIsRestored(t *testing.T) {
	_, c := start(t)
	must[*secretsmanager.CreateSecretOutput](t)(create(t, c, "a", "v1", "one"))
	must[*secretsmanager.DeleteSecretOutput](t)(c.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("a")}))
	_, err := put(t, c, "a", "v2", "two")
	wantCode(t, err, "InvalidRequestException", "marked for deletion")
	_, err = create(t, c, "a", "v2", "two")
	wantCode(t, err, "InvalidRequestException", "scheduled for deletion")
	_, err = c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("a")})
	wantCode(t, err, "InvalidRequestException", "marked for deletion")
	d := must[*secretsmanager.DescribeSecretOutput](t)(c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("a")}))
	if d.DeletedDate == nil || time.Since(*d.DeletedDate).Abs() > time.Minute {
		t.Errorf("DeletedDate = %v", d.DeletedDate)
	}
	must[*secretsmanager.RestoreSecretOutput](t)(c.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String("a")}))
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v2", "two"))
}

func TestAForcedDeletionIsFinal(t *testing.T) {
	s, c := start(t)
	s.Put("a", "one")
	must[*secretsmanager.DeleteSecretOutput](t)(c.DeleteSecret(t.Context(),
		&secretsmanager.DeleteSecretInput{SecretId: aws.String("a"), ForceDeleteWithoutRecovery: aws.Bool(true)}))
	_, err := put(t, c, "a", "v2", "two")
	wantCode(t, err, "ResourceNotFoundException", "can't find the specified secret")
}

func TestTagsAreKept(t *testing.T) {
	s, c := start(t)
	s.Put("a", "one")
	must[*secretsmanager.TagResourceOutput](t)(c.TagResource(t.Context(), &secretsmanager.TagResourceInput{
		SecretId: aws.String("a"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("video")}},
	}))
	d := must[*secretsmanager.DescribeSecretOutput](t)(c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("a")}))
	if len(d.Tags) != 1 || *d.Tags[0].Key != "team" || *d.Tags[0].Value != "video" {
		t.Errorf("tags = %+v", d.Tags)
	}
}

func TestOnlyASignedRequestIsAnswered(t *testing.T) {
	s, _ := start(t)
	_, err := create(t, newClient(s, "AKIAUNKNOWN", "x", ""), "a", "v1", "one")
	wantCode(t, err, "UnrecognizedClientException", "")
	_, err = create(t, newClient(s, awstest.AccessKeyID, "wrong", ""), "a", "v1", "one")
	wantCode(t, err, "InvalidSignatureException", "does not match")
	_, err = create(t, newClient(s, awstest.AccessKeyID, awstest.SecretAccessKey, "token of nobody"), "a", "v1", "one")
	wantCode(t, err, "UnrecognizedClientException", "")

	unsigned, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, bytes.NewBufferString(`{"SecretId":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	unsigned.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
	answer := must[*http.Response](t)(http.DefaultClient.Do(unsigned))
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("an unsigned request gets %d", answer.StatusCode)
	}
}

func TestAClockThatIsOffIsRefused(t *testing.T) {
	for skew, text := range map[time.Duration]string{time.Hour: "Signature expired", -time.Hour: "Signature not yet current"} {
		s, c := start(t)
		s.SetSkew(skew)
		_, err := create(t, c, "a", "v1", "one")
		wantCode(t, err, "InvalidSignatureException", text)
	}
}

func TestARolesKeysAreGoodWithTheirSessionTokenOnly(t *testing.T) {
	s, _ := start(t)
	c := sts.New(sts.Options{
		Region: awstest.Region, BaseEndpoint: &s.URL,
		Credentials: credentials.NewStaticCredentialsProvider(awstest.AccessKeyID, awstest.SecretAccessKey, ""),
	})
	out := must[*sts.AssumeRoleOutput](t)(c.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::123456789012:role/rotatord"), RoleSessionName: aws.String("rotatord"),
	}))
	k := out.Credentials
	must[*secretsmanager.CreateSecretOutput](t)(create(t, newClient(s, *k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken), "a", "v1", "one"))
	_, err := create(t, newClient(s, *k.AccessKeyId, *k.SecretAccessKey, ""), "b", "v1", "one")
	wantCode(t, err, "UnrecognizedClientException", "")
}

func TestInjectedFailures(t *testing.T) {
	s, c := start(t)
	inject := func(f awstest.Failure) {
		s.Inject(func(op, id string) *awstest.Failure {
			if op != "CreateSecret" || id != "a" {
				t.Errorf("asked about %s of %s", op, id)
			}
			return &f
		})
	}
	inject(awstest.Failure{Code: "ThrottlingException", Message: "Rate exceeded"})
	_, err := create(t, c, "a", "v1", "one")
	wantCode(t, err, "ThrottlingException", "Rate exceeded")

	inject(awstest.Failure{Dropped: true})
	if _, err := create(t, c, "a", "v1", "one"); err == nil || s.Versions("a") != 0 {
		t.Errorf("dropped: %v, %d versions", err, s.Versions("a"))
	}
	inject(awstest.Failure{Hang: make(chan struct{})})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("a")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hung: %v", err)
	}
	inject(awstest.Failure{Lost: true})
	if _, err := create(t, c, "a", "v1", "one"); err == nil || s.Versions("a") != 1 {
		t.Errorf("lost: %v, %d versions", err, s.Versions("a"))
	}
}

func TestAnARNIsFoundWithoutItsEndUnlessItLooksComplete(t *testing.T) {
	_, c := start(t)
	for name, found := range map[string]bool{"moq/live": true, "moq/live-main": true, "moq/live-studio": false} {
		arn := *must[*secretsmanager.CreateSecretOutput](t)(create(t, c, name, "v1", "one")).ARN
		must[*secretsmanager.DescribeSecretOutput](t)(c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &arn}))
		part := arn[:len(arn)-7]
		if _, err := c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &part}); (err == nil) != found {
			t.Errorf("%s: %v, want found %t", part, err, found)
		}
	}
}

func TestAVersionIsReadByItsIDAsLongAsTheStageIsItsOwn(t *testing.T) {
	_, c := start(t)
	must[*secretsmanager.CreateSecretOutput](t)(create(t, c, "a", "v1", "one"))
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v2", "two"))
	get := func(id *string, stage string) (*secretsmanager.GetSecretValueOutput, error) {
		return c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("a"), VersionId: id, VersionStage: &stage})
	}
	if out := must[*secretsmanager.GetSecretValueOutput](t)(get(token("v2"), "AWSCURRENT")); *out.SecretString != "two" {
		t.Errorf("v2 holds %q", *out.SecretString)
	}
	_, err := get(token("v1"), "AWSCURRENT")
	wantCode(t, err, "InvalidRequestException", "not associated")
	_, err = get(token("v9"), "AWSCURRENT")
	wantCode(t, err, "ResourceNotFoundException", "VersionId")
}

func TestAReadMayLagBehind(t *testing.T) {
	s, c := start(t)
	must[*secretsmanager.CreateSecretOutput](t)(create(t, c, "a", "v1", "one"))
	must[*secretsmanager.PutSecretValueOutput](t)(put(t, c, "a", "v2", "two"))
	s.Lag("a", 1)
	for _, want := range []string{"one", "two"} {
		out := must[*secretsmanager.GetSecretValueOutput](t)(c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("a")}))
		if *out.SecretString != want {
			t.Errorf("read %q, want %q", *out.SecretString, want)
		}
	}
}

func TestAWSRotatesASecretUntilThatIsCancelled(t *testing.T) {
	s, c := start(t)
	s.Put("a", "one")
	rotated := func() (bool, *time.Time) {
		d := must[*secretsmanager.DescribeSecretOutput](t)(c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("a")}))
		return aws.ToBool(d.RotationEnabled), d.NextRotationDate
	}
	_, err := c.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: aws.String("a")})
	wantCode(t, err, "InvalidRequestException", "Lambda")
	must[*secretsmanager.RotateSecretOutput](t)(c.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String("a"), RotationLambdaARN: aws.String("arn:aws:lambda:eu-west-1:123456789012:function:rotate"),
	}))
	if on, next := rotated(); !on || next == nil {
		t.Errorf("rotated %t, next %v", on, next)
	}
	must[*secretsmanager.CancelRotateSecretOutput](t)(c.CancelRotateSecret(t.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("a")}))
	if on, next := rotated(); on || next != nil {
		t.Errorf("cancelled: rotated %t, next %v", on, next)
	}
}
