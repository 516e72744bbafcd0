// Package awssm is the sink that keeps each value in a secret of AWS Secrets Manager.
//
// A write makes a version of the secret, under an id that follows from rotation and content, so
// that AWS takes a repeat for the same write; AWSCURRENT then says which version consumers get, and
// AWSPREVIOUS keeps the one before (sink.go). A probe reads the secret and its description, and on
// trial writes the current version once more, which changes nothing (probe.go). Credentials are
// found as the SDK finds them, in the environment or on the machine (open.go); the shared files are
// read again when a call fails and they have changed (renew.go), and a role that was refused is not
// asked for again at once (logins.go). All that is sent, whatever client of the SDK's sends it,
// goes over one wire, which bounds it and follows no redirect (wire.go). What AWS's errors mean is
// in meanings.go.
package awssm

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Type is the sink's name in the configuration.
const Type = "aws_secrets_manager"

// Config is an AWS Secrets Manager sink's configuration. Credentials come from
// the SDK's default chain.
type Config struct {
	sinks.Common `yaml:",inline"`

	// AWS region; default: the SDK's (AWS_REGION or the profile's).
	Region string `yaml:"region"`
	// Role to assume.
	RoleARN string `yaml:"role_arn"`
	// Where Secrets Manager is, instead of AWS's own address: a VPC endpoint.
	EndpointURL string `yaml:"endpoint_url"`
	// Template of the secret's name or ARN.
	SecretID string `yaml:"secret_id" jsonschema:"required"`
	// Create the secret when it is absent.
	Create bool `yaml:"create"`
	// Key that encrypts a secret made by create; default: aws/secretsmanager.
	KMSKeyID string `yaml:"kms_key_id"`
	// Tags of a secret made by create.
	Tags map[string]string `yaml:"tags"`
	// What the secret string holds: the record as JSON, the value alone, or what template makes of them.
	Format sinks.Format `yaml:"format" jsonschema:"enum=json,enum=raw,enum=template"`
	// The secret string, for format: template.
	Template string `yaml:"template"`
}

// NewConfig returns a configuration with the documented defaults.
func NewConfig() *Config {
	return &Config{Common: sinks.DefaultCommon(Type), Create: true, Format: sinks.FormatJSON}
}

var (
	hostLabel   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	regionShape = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)?-[a-z]+-[0-9]+$`)
	rolePattern = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/[\w+=,.@/-]{1,512}$`)
	namePattern = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)
	arnPattern  = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):([0-9]{12}):secret:([A-Za-z0-9/_+=.@-]{1,512})$`)
	arnEnd      = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)
	tagPattern  = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+@-]*$`)
)

// Diagnostics lists what is wrong with c.
func (c *Config) Diagnostics() []sinks.Diagnostic {
	out := sinks.TargetDiagnostics("secret_id", c.SecretID, c.Locate)
	out = append(out, c.Format.Diagnostics(c.Template, sinks.FormatJSON, sinks.FormatRaw, sinks.FormatTemplate)...)
	out = append(out, c.regionDiagnostics()...)
	if c.RoleARN != "" && !rolePattern.MatchString(c.RoleARN) {
		out = append(out, sinks.Diagnostic{Key: "role_arn", Text: "is no ARN of a role", Hint: "such as arn:aws:iam::123456789012:role/rotatord"})
	}
	if err := c.checkEndpoint(c.EndpointURL); err != nil {
		out = append(out, sinks.Diagnostic{Key: "endpoint_url", Text: err.Error(), Hint: "https://…; or insecure: true for plain http off loopback"})
	}
	if !c.Create && (c.KMSKeyID != "" || len(c.Tags) > 0) {
		out = append(out, sinks.Diagnostic{Key: "create", Text: "is off, but kms_key_id or tags are given", Hint: "they are for secrets that rotatord creates: remove them, or set create: true"})
	}
	return append(out, c.tagDiagnostics()...)
}

// regionDiagnostics refuses what can be no part of a host's name. AWS opens new regions, and partitions with
// names of their own: what is like none is told, and DNS has the last word.
func (c *Config) regionDiagnostics() []sinks.Diagnostic {
	const hint = "such as eu-west-1, us-gov-west-1 or eusc-de-east-1; an availability zone's last letter does not belong to it"
	switch {
	case c.Region == "" || regionShape.MatchString(c.Region):
		return nil
	case !hostLabel.MatchString(c.Region):
		return []sinks.Diagnostic{{Key: "region", Text: fmt.Sprintf("%q is no AWS region", c.Region), Hint: hint}}
	}
	return []sinks.Diagnostic{{
		Key: "region", Text: fmt.Sprintf("%q is unlike the name of any AWS region", c.Region),
		Hint: hint + "; `rotatord check --online` asks DNS for it", Warning: true,
	}}
}

// AWS's limits of tags.
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func (c *Config) tagDiagnostics() []sinks.Diagnostic {
	if len(c.Tags) > maxTags {
		return []sinks.Diagnostic{{Key: "tags", Text: fmt.Sprintf("%d are more than AWS's %d", len(c.Tags), maxTags)}}
	}
	for _, k := range slices.Sorted(maps.Keys(c.Tags)) {
		v := c.Tags[k]
		reserved := strings.HasPrefix(strings.ToLower(k), "aws:")
		if k == "" || reserved || len(k) > maxTagKey || len(v) > maxTagValue || !tagPattern.MatchString(k+v) {
			return []sinks.Diagnostic{{
				Key: "tags", Text: fmt.Sprintf("AWS does not take the tag %q", k),
				Hint: "letters, digits, spaces and _.:/=+-@; key up to 128, value up to 256; aws: is reserved",
			}}
		}
	}
	return nil
}

// checkEndpoint refuses an address that would carry values in clear off this machine.
func (c *Config) checkEndpoint(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || !sinks.NamesHost(u) || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("is no http or https address")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("must be a bare address")
	case u.Scheme == "http" && !c.Insecure && !sinks.IsLoopback(u.Hostname()):
		return errors.New("is plain http off loopback: secrets would cross the network in clear")
	}
	return nil
}

// Render returns the secret string.
func (c *Config) Render(t *sinks.Templates, r sinks.Record) (secret.Value, error) {
	return c.Format.Render(t, c.Template, r)
}

// MaxContent implements sinks.Spec.
func (c *Config) MaxContent() int { return maxSize }

// TargetTemplate returns the template of the secret id.
func (c *Config) TargetTemplate() string { return c.SecretID }

// Locate returns awssm://, the account where it is known, the region or the
// endpoint, and the secret's name. target is a name or an ARN.
func (c *Config) Locate(target string) (string, error) {
	region, account, name := c.Region, "", target
	if m := rolePattern.FindStringSubmatch(c.RoleARN); m != nil {
		account = m[1] + "@"
	}
	if m := arnPattern.FindStringSubmatch(target); m != nil {
		if region != "" && m[1] != region {
			return "", fmt.Errorf("secret id %q is of region %s, not %s", target, m[1], region)
		}
		region, account, name = m[1], m[2]+"@", nameIn(m[3])
	} else if !namePattern.MatchString(target) {
		return "", fmt.Errorf("secret id %q: AWS takes letters, digits and /_+=.@-, up to 512, or an ARN", target)
	}
	return "awssm://" + account + c.endpointOrRegion(region) + "/" + name, nil
}

// nameIn returns the secret's name out of the end of an ARN: a name, and, if the ARN is complete, the hyphen and six
// characters that AWS has added. A name of our own may look like that (moq/live-studio). It has no upper-case
// letter, because relays' have none; of AWS's endings, 19 in 20 have one, and each of the others counts as a secret of its own.
func nameIn(arnName string) string {
	if end := arnEnd.FindString(arnName); end != strings.ToLower(end) {
		return strings.TrimSuffix(arnName, end)
	}
	return arnName
}

func (c *Config) endpointOrRegion(region string) string {
	if u, err := url.Parse(c.EndpointURL); err == nil && u.Host != "" {
		return u.Host
	}
	if region == "" {
		return "default"
	}
	return region
}
