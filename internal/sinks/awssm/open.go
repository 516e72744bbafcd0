package awssm

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Open reads the SDK's configuration (environment, shared files) and builds the
// sink. Credentials are fetched at the first call, and again before they expire.
func (c *Config) Open(ctx context.Context, o sinks.OpenOptions) (sinks.Sink, error) {
	s, err := c.open(ctx, o)
	if err != nil {
		return nil, err
	}
	again := o
	again.Warn = nil // it was said
	r := &renewed{name: o.Name, open: func(ctx context.Context) (*sink, error) { return c.open(ctx, again) }}
	r.inUse.Store(s)
	return r, nil
}

func (c *Config) open(ctx context.Context, o sinks.OpenOptions) (*sink, error) {
	before := filesOf(aws.Config{}, o.Env)
	cfg, w, err := c.load(ctx, o)
	if err != nil {
		text := redact.Folded(err.Error())
		return nil, fault.Newf(fault.Permanent, fault.Setup, "open", o.Name, "%s", text).WithHint("%s", whereToLook(text, o.Env))
	}
	files := filesOf(cfg, o.Env)
	maps.Copy(files, before) // what has changed meanwhile may not be what was read
	from := sourcesOf(cfg)
	warnOfProcess(from, o)
	role, by := ambientRole(cfg)
	if role != "" {
		cfg.Credentials = c.rememberRefusals(remembering{provider: cfg.Credentials, role: role, identity: by, local: true}, o)
	}
	known := &sinks.Confidences{Most: 16}
	cfg.Credentials = confiding{cfg.Credentials, known}
	if c.RoleARN != "" {
		cfg.Credentials = confiding{c.assumeRole(cfg, o), known}
	}
	client := secretsmanager.NewFromConfig(cfg, func(so *secretsmanager.Options) {
		if c.EndpointURL != "" {
			so.BaseEndpoint = &c.EndpointURL
		}
	})
	if err := c.checkAmbientEndpoints(client, cfg, c.RoleARN+role != ""); err != nil {
		return nil, fault.Newf(fault.Permanent, fault.Invalid, "open", o.Name, "%w", err).
			WithHint("correct endpoint_url, AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL, or set insecure: true")
	}
	return &sink{config: *c, region: cfg.Region, api: apiOf(client), wire: w, files: files, credentials: from, known: known}, nil
}

// checkAmbientEndpoints looks at the addresses that calls go to, which the environment and shared files may name as
// well: STS answers with credentials.
func (c *Config) checkAmbientEndpoints(client *secretsmanager.Client, cfg aws.Config, asksSTS bool) error {
	if err := c.checkEndpoint(aws.ToString(client.Options().BaseEndpoint)); err != nil {
		return fmt.Errorf("the endpoint %w", err)
	}
	if !asksSTS {
		return nil
	}
	if err := c.checkEndpoint(aws.ToString(sts.NewFromConfig(cfg).Options().BaseEndpoint)); err != nil {
		return fmt.Errorf("the endpoint of STS %w", err)
	}
	return nil
}

// sourcesOf says where the SDK will get its credentials from.
func sourcesOf(cfg aws.Config) []aws.CredentialSource {
	if from, ok := cfg.Credentials.(aws.CredentialProviderSource); ok {
		return from.ProviderSources()
	}
	return nil
}

// warnOfProcess tells of a program that gives the credentials and does not see what
// rotatord keeps to itself: one that asks Vault for them needs Vault's variables.
func warnOfProcess(from []aws.CredentialSource, o sinks.OpenOptions) {
	if o.Warn == nil || len(o.Withheld) == 0 || !slices.Contains(from, aws.CredentialSourceProcess) {
		return
	}
	o.Warn("sink " + o.Name + ": the credential_process of its AWS profile no longer sees " + strings.Join(o.Withheld, ", ") +
		", which rotatord keeps to itself: give it what it needs in its command, such as `env VAULT_ADDR=… program`")
}

// load has the SDK find its configuration, and lets everything that is made of it send over w.
func (c *Config) load(ctx context.Context, o sinks.OpenOptions) (cfg aws.Config, w *wire, err error) {
	w = c.newWire(nil, o)
	cfg, err = config.LoadDefaultConfig(ctx, c.loadOptions(w, o)...)
	if err == nil {
		*w = *c.newWire(settingsOf(cfg.HTTPClient), o)
	}
	return cfg, w, err
}

// confiding notes the credentials that a provider gives, so that no error shows them.
type confiding struct {
	aws.CredentialsProvider
	known *sinks.Confidences
}

// Retrieve implements aws.CredentialsProvider.
func (c confiding) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := c.CredentialsProvider.Retrieve(ctx)
	if err == nil {
		c.known.Add(secret.New(got.AccessKeyID), secret.New(got.SecretAccessKey), secret.New(got.SessionToken))
	}
	return got, err
}

// sdkLogger has the SDK's warnings told as those of the sink: of itself it would write to standard error. What it
// says for debugging is what was sent, and is left out.
func sdkLogger(o sinks.OpenOptions) logging.Logger {
	return logging.LoggerFunc(func(kind logging.Classification, format string, args ...any) {
		if o.Warn != nil && kind == logging.Warn {
			o.Warn("sink " + o.Name + ": AWS's SDK: " + redact.Folded(fmt.Sprintf(format, args...)))
		}
	})
}

func (c *Config) loadOptions(w *wire, o sinks.OpenOptions) []func(*config.LoadOptions) error {
	opts := []func(*config.LoadOptions) error{
		// The caller decides what is tried again, and when.
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithHTTPClient(awshttp.NewBuildableClient()), // no other may be given together with AWS_CA_BUNDLE
		config.WithAPIOptions([]func(*middleware.Stack) error{w.addToStack}),
		config.WithAppID("rotatord"),
		config.WithLogger(sdkLogger(o)),
	}
	if c.Region != "" {
		opts = append(opts, config.WithRegion(c.Region))
	}
	return opts
}

// settingsOf returns the TLS settings that the SDK has found: AWS_CA_BUNDLE goes into them.
func settingsOf(client aws.HTTPClient) *tls.Config {
	if b, ok := client.(*awshttp.BuildableClient); ok {
		return b.GetTransport().TLSClientConfig
	}
	return nil
}

func (c *Config) assumeRole(cfg aws.Config, so sinks.OpenOptions) aws.CredentialsProvider {
	session := "rotatord-" + so.Name
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), c.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = session[:min(len(session), 64)] // AWS's limit
	})
	return c.rememberRefusals(remembering{provider: provider, role: c.RoleARN, identity: keysOf(cfg.Credentials)}, so)
}
