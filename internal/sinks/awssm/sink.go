package awssm

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

const current = "AWSCURRENT"

// maxSize is what AWS takes as one secret value, in bytes.
const maxSize = 65536

type sink struct {
	config    Config
	region    string // that the SDK has found
	templates sinks.Templates
	api       api
	wire      *wire
	written   written

	files       files                  // that the SDK was set up by
	credentials []aws.CredentialSource // where it gets them from
	known       *sinks.Confidences     // credentials
}

// Render implements sinks.Sink.
func (s *sink) Render(r sinks.Record) (secret.Value, error) { return s.config.Render(&s.templates, r) }

// Write makes content the secret's AWSCURRENT version. The version's id follows
// from the rotation and the content, so AWS takes a repeat for the same write.
func (s *sink) Write(ctx context.Context, target string, content secret.Value, o sinks.WriteOptions) error {
	id := versionID(o.RotationID, content)
	if err := s.write(ctx, target, content, id); err != nil {
		return s.explainCall(ctx, "write", target, err)
	}
	s.written.noteWritten(target, id)
	return nil
}

func (s *sink) write(ctx context.Context, target string, content secret.Value, id string) error {
	err := s.putValue(ctx, target, content, id)
	if !hasError[*types.ResourceNotFoundException](err) || !s.mayCreate(target) {
		return err
	}
	err = s.createSecret(ctx, target, content, id)
	if hasError[*types.ResourceExistsException](err) { // somebody was faster, or it is our own lost create
		return s.putValue(ctx, target, content, id)
	}
	return err
}

func (s *sink) putValue(ctx context.Context, target string, content secret.Value, id string) error {
	out, err := s.api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &target, ClientRequestToken: &id, SecretString: aws.String(content.Reveal()),
	})
	switch {
	case err != nil:
		return err
	case aws.ToString(out.VersionId) != id:
		return notAWSs("a write with another version than was written")
	case slices.Contains(out.VersionStages, current):
		return nil
	}
	return s.makeCurrent(ctx, target, id)
}

// makeCurrent moves AWSCURRENT back to a version that was written earlier and has
// been pushed aside since.
func (s *sink) makeCurrent(ctx context.Context, target, id string) error {
	d, err := s.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &target})
	if err != nil {
		return err
	}
	if d.ARN == nil {
		return notAWSs("a description without an ARN")
	}
	holder := ""
	for v, stages := range d.VersionIdsToStages {
		if slices.Contains(stages, current) {
			holder = v
		}
	}
	if holder == id {
		return nil
	}
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &target, VersionStage: aws.String(current), MoveToVersionId: &id}
	if holder != "" {
		in.RemoveFromVersionId = &holder
	}
	_, err = s.api.UpdateSecretVersionStage(ctx, in)
	return err
}

func (s *sink) createSecret(ctx context.Context, target string, content secret.Value, id string) error {
	in := &secretsmanager.CreateSecretInput{
		Name: &target, ClientRequestToken: &id, SecretString: aws.String(content.Reveal()),
		Description: aws.String("MoQ relay token, kept by rotatord"),
	}
	if s.config.KMSKeyID != "" {
		in.KmsKeyId = &s.config.KMSKeyID
	}
	for k, v := range s.config.Tags {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	out, err := s.api.CreateSecret(ctx, in)
	if err == nil && aws.ToString(out.VersionId) != id {
		return notAWSs("the making of a secret with another version than was written")
	}
	return err
}

// notAWSs is for an answer of success that lacks what AWS always gives: who knows who it was.
func notAWSs(what string) error {
	return fault.Newf(fault.Retry, fault.BadAnswer, "", "", "AWS, or who answers for it, answers %s", what).
		WithHint("check endpoint_url, the AWS_* variables and the proxies on the way")
}

// mayCreate reports whether a secret may be created as target: an ARN names a secret that exists already; it cannot
// be created under it.
func (s *sink) mayCreate(target string) bool {
	return s.config.Create && !arnPattern.MatchString(target)
}

// Read returns the secret string at AWSCURRENT. A secret that is marked for
// deletion, or has no value yet, does not exist; one that holds bytes exists
// with no content.
func (s *sink) Read(ctx context.Context, target string) (sinks.Holding, error) {
	if id, ok := s.written.takeWritten(target); ok {
		out, err := s.getValue(ctx, target, id)
		if !isNotCurrent(out, err) {
			return s.holdingOf(ctx, target, out, err)
		}
	}
	out, err := s.getValue(ctx, target, "")
	return s.holdingOf(ctx, target, out, err)
}

// getValue asks for a version on condition that it is the current one; without an id for whichever is.
// The stage is always named: a policy may allow that one alone.
func (s *sink) getValue(ctx context.Context, target, id string) (*secretsmanager.GetSecretValueOutput, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &target, VersionStage: aws.String(current)}
	if id != "" {
		in.VersionId = &id
	}
	return s.api.GetSecretValue(ctx, in)
}

// isNotCurrent reports whether a version is not there yet, or that another one is current by now: what consumers get
// shows then.
func isNotCurrent(out *secretsmanager.GetSecretValueOutput, err error) bool {
	if err == nil {
		return !slices.Contains(out.VersionStages, current)
	}
	return hasError[*types.ResourceNotFoundException](err) || hasError[*types.InvalidRequestException](err) && !saysDeleted(err)
}

func (s *sink) holdingOf(ctx context.Context, target string, out *secretsmanager.GetSecretValueOutput, err error) (sinks.Holding, error) {
	switch {
	case hasError[*types.ResourceNotFoundException](err), saysDeleted(err):
		return sinks.Holding{Known: true, MayBeStale: true}, nil
	case err != nil:
		return sinks.Holding{}, s.explainCall(ctx, "read", target, err)
	case out.SecretString == nil && out.SecretBinary == nil:
		return sinks.Holding{}, s.explainCall(ctx, "read", target, notAWSs("a read with neither text nor bytes"))
	}
	return sinks.Holding{Known: true, Exists: true, Content: secret.New(aws.ToString(out.SecretString)), MayBeStale: true}, nil
}

// Close ends the idle connections.
func (s *sink) Close() error {
	s.wire.close()
	return nil
}

// versionID is a UUID (version 8: a use of our own) out of the rotation and the content.
func versionID(rotationID string, content secret.Value) string {
	mac := hmac.New(sha256.New, []byte(rotationID))
	_, _ = mac.Write([]byte(content.Reveal())) // a hash never fails
	b := mac.Sum(nil)[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
