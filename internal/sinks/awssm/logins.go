package awssm

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// remembering asks STS for the keys of a role, unless STS refused that a while ago
// to whoever shows the same identity.
type remembering struct {
	provider aws.CredentialsProvider
	role     string
	identity identity
	local    bool // identity calls nobody
	sink     string
	timeout  time.Duration // others wait for the answer
	logins   *sinks.Logins
}

// identity returns what the role is asked for with.
type identity func(context.Context) (secret.Value, error)

// Retrieve implements aws.CredentialsProvider.
func (r *remembering) Retrieve(ctx context.Context) (keys aws.Credentials, err error) {
	if r.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.timeout)
		defer cancel()
	}
	shown, err := r.currentCredential(ctx)
	if err != nil {
		return keys, err
	}
	err = r.logins.Try(ctx, sinks.Login{
		Sink: r.sink, Credential: shown, Renewed: func() bool { return r.local && r.isRenewed(shown) },
		Enter: func() (turnedDown bool, err error) {
			keys, err = r.provider.Retrieve(ctx)
			if api, ok := refusalOfIdentity(err); ok {
				return true, refusedError("assume", r.role, err, api)
			}
			return false, err
		},
	})
	return keys, err
}

func (r *remembering) currentCredential(ctx context.Context) (sinks.Credential, error) {
	v, err := r.identity(ctx)
	return sinks.Credential{Account: "sts " + r.role, Digest: secret.Fingerprint(v)}, err
}

func (r *remembering) isRenewed(shown sinks.Credential) bool {
	now, err := r.currentCredential(context.Background())
	return err == nil && now != shown
}

// refusalOfIdentity reports whether STS turned down who asks, and not just this request.
func refusalOfIdentity(err error) (api smithy.APIError, refused bool) {
	if !errors.As(err, &api) || serviceOf(err) != "STS" {
		return nil, false
	}
	switch strings.TrimSuffix(api.ErrorCode(), "Exception") {
	case "AccessDenied", "ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient", "InvalidIdentityToken", "IDPRejectedClaim":
		return api, true
	}
	return nil, false
}

// rememberRefusals completes r and keeps the keys that it gives until they expire.
func (c *Config) rememberRefusals(r remembering, o sinks.OpenOptions) aws.CredentialsProvider {
	r.sink, r.timeout, r.logins = o.Name, c.Timeout, o.Logins
	return aws.NewCredentialsCache(&r)
}

// keysOf returns the identity of who has the keys that p gives.
func keysOf(p aws.CredentialsProvider) identity {
	return func(ctx context.Context) (secret.Value, error) {
		k, err := p.Retrieve(ctx)
		return secret.New(k.AccessKeyID + " " + k.SecretAccessKey + " " + k.SessionToken), err
	}
}

// ambientRole returns the role that the environment or a profile has the SDK assume, and with
// which identity; "" for none. It follows the order of the SDK's own chain.
func ambientRole(cfg aws.Config) (role string, by identity) {
	for _, s := range cfg.ConfigSources {
		switch from := s.(type) {
		case config.EnvConfig:
			switch {
			case from.Credentials.HasKeys():
				return "", nil
			case from.WebIdentityTokenFilePath != "":
				return from.RoleARN, contentOf(from.WebIdentityTokenFilePath)
			}
		case config.SharedConfig:
			return from.RoleARN, profileIdentity(&from)
		}
	}
	return "", nil
}

// profileIdentity returns what the chain of profiles that ends in p begins with.
func profileIdentity(p *config.SharedConfig) identity {
	for ; p != nil; p = p.Source {
		if p.WebIdentityTokenFile != "" {
			return contentOf(p.WebIdentityTokenFile)
		}
		if k := p.Credentials; p.Source == nil && k.HasKeys() {
			return func(context.Context) (secret.Value, error) {
				return secret.New(k.AccessKeyID + " " + k.SecretAccessKey + " " + k.SessionToken), nil
			}
		}
	}
	return func(context.Context) (secret.Value, error) { return secret.Value{}, nil } // the machine's own
}

func contentOf(file string) identity {
	return func(context.Context) (secret.Value, error) {
		token, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		return secret.New(string(token)), err
	}
}
