package awssm

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// operation is one of Secrets Manager's, as its client has it.
type operation[In, Out any] func(context.Context, *In, ...func(*secretsmanager.Options)) (*Out, error)

// api is what the sink calls. Where a value that becomes an interface holds the client itself, the linker
// keeps all of its operations: 240 kB of the binary.
type api struct {
	DescribeSecret           operation[secretsmanager.DescribeSecretInput, secretsmanager.DescribeSecretOutput]
	GetSecretValue           operation[secretsmanager.GetSecretValueInput, secretsmanager.GetSecretValueOutput]
	PutSecretValue           operation[secretsmanager.PutSecretValueInput, secretsmanager.PutSecretValueOutput]
	CreateSecret             operation[secretsmanager.CreateSecretInput, secretsmanager.CreateSecretOutput]
	UpdateSecretVersionStage operation[secretsmanager.UpdateSecretVersionStageInput, secretsmanager.UpdateSecretVersionStageOutput]
}

func apiOf(c *secretsmanager.Client) api {
	return api{
		DescribeSecret: c.DescribeSecret, GetSecretValue: c.GetSecretValue, PutSecretValue: c.PutSecretValue,
		CreateSecret: c.CreateSecret, UpdateSecretVersionStage: c.UpdateSecretVersionStage,
	}
}
