package awssm

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
)

// opTry is what an error says was done when a probe repeats a write.
const opTry = "try to write"

// What no look tells: AWS has no way to ask for a permission.
const (
	untriedPut    = "whether secretsmanager:PutSecretValue is allowed, and the use of the secret's KMS key"
	untriedCreate = "whether secretsmanager:CreateSecret is allowed, and the use of the KMS key; the secret does not exist yet"
)

// Probe describes the secret and reads its value. When a mint follows, and the value is what rotatord wrote, it writes
// that very version once more, which changes nothing.
func (s *sink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	d, err := s.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &target})
	switch {
	case hasError[*types.ResourceNotFoundException](err) && s.mayCreate(target):
		return sinks.Holding{Known: true, Untried: untriedCreate, MayBeStale: true}, nil
	case err != nil:
		return sinks.Holding{}, s.explainCall(ctx, "probe", target, err)
	case d.ARN == nil:
		return sinks.Holding{}, s.explainCall(ctx, "probe", target, notAWSs("a description without an ARN"))
	}
	if err := notWritable(d, target); err != nil {
		return sinks.Holding{}, err
	}
	held, err := s.getValue(ctx, target, "")
	h, err := s.holdingOf(ctx, target, held, err)
	if err != nil && (o.Read || fault.Of(err).Reason != fault.Forbidden) {
		return h, err
	}
	h.Warnings, h.Untried = rotationWarnings(d, target), untriedPut
	if o.Trial.IsEmpty() || o.Ours == nil || !h.Exists || !o.Ours(h.Content) {
		return h, nil
	}
	return s.tryWrite(ctx, target, h, held)
}

// tryWrite repeats the write of the version that is current. AWS answers a version's own id with the content it has by doing
// nothing, to whoever may write: so the permission shows without a new version.
func (s *sink) tryWrite(ctx context.Context, target string, h sinks.Holding, held *secretsmanager.GetSecretValueOutput) (sinks.Holding, error) {
	_, err := s.api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &target, ClientRequestToken: held.VersionId, SecretString: held.SecretString,
	})
	switch {
	case hasError[*types.ResourceExistsException](err): // not to be repeated: nothing was found out, and nothing changed
		return h, nil
	case err != nil:
		return h, s.explainCall(ctx, opTry, target, err)
	}
	h.Untried = ""
	return h, nil
}

// notWritable says what of a secret's description would make a write fail.
func notWritable(d *secretsmanager.DescribeSecretOutput, target string) error {
	switch arn := arnPattern.FindStringSubmatch(aws.ToString(d.ARN)); {
	case d.DeletedDate != nil:
		m, _ := answers.Find(answer{deleted: true})
		return m.Error("probe", target, errors.New("the secret is marked for deletion"), "{target}", target)
	case aws.ToString(d.OwningService) != "":
		return fault.Newf(fault.Permanent, fault.Foreign, "probe", target, "the secret belongs to the AWS service %s", *d.OwningService).
			WithHint("choose another secret_id")
	case arn != nil && aws.ToString(d.PrimaryRegion) != "" && *d.PrimaryRegion != arn[1]:
		return fault.Newf(fault.Permanent, fault.Invalid, "probe", target, "the secret is a replica of one in %s", *d.PrimaryRegion).
			WithHint("set region: %s; AWS replicates what is written there", *d.PrimaryRegion)
	}
	return nil
}

// rotationWarnings tells of a rotation of AWS's own: two rotate one secret then.
func rotationWarnings(d *secretsmanager.DescribeSecretOutput, target string) []string {
	if !aws.ToBool(d.RotationEnabled) {
		return nil
	}
	next := ""
	if d.NextRotationDate != nil {
		next = ", next on " + d.NextRotationDate.UTC().Format(time.DateOnly)
	}
	return []string{"AWS rotates this secret, too" + next + ": its function puts a value of its own in the token's place, which rotatord then finds changed; " +
		"turn that off: aws secretsmanager cancel-rotate-secret --secret-id " + target}
}
