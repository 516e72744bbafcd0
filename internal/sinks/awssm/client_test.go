package awssm

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscreds "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
)

// client is the SDK itself, beside the sink.
func client(server *awstest.Server) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: awstest.Region, BaseEndpoint: &server.URL,
		Credentials: awscreds.NewStaticCredentialsProvider(awstest.AccessKeyID, awstest.SecretAccessKey, ""),
	})
}

func stageOf(t *testing.T, server *awstest.Server, id, stage string) string {
	t.Helper()
	out, err := client(server).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id, VersionStage: &stage})
	must(t, err)
	return aws.ToString(out.SecretString)
}

func describeAll(t *testing.T, server *awstest.Server, id string) *secretsmanager.DescribeSecretOutput {
	t.Helper()
	out, err := client(server).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
	must(t, err)
	return out
}

func describe(t *testing.T, server *awstest.Server, id string) (arn string) {
	t.Helper()
	return *describeAll(t, server, id).ARN
}

func deleteSecret(t *testing.T, server *awstest.Server, id string) {
	t.Helper()
	_, err := client(server).DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &id})
	must(t, err)
}

func createBinary(t *testing.T, server *awstest.Server, id string) {
	t.Helper()
	_, err := client(server).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &id, SecretBinary: []byte{0, 1}})
	must(t, err)
}

// newHTML is a captive portal: it answers everything with a page.
func newHTML(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>please log in</html>")
	}))
	t.Cleanup(s.Close)
	return s.URL
}
