package awssm

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

func TestProblemsNameTheirKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		key    string // "" for none
		text   string
	}{
		"nothing wrong":             {func(*Config) {}, "", ""},
		"region of the environment": {func(c *Config) { c.Region = "" }, "", ""},
		"plain http on loopback":    {func(c *Config) { c.EndpointURL = "http://127.0.0.1:4566" }, "", ""},
		"plain http by choice":      {func(c *Config) { c.EndpointURL, c.Insecure = "http://aws.example", true }, "", ""},
		"no secret id":              {func(c *Config) { c.SecretID = "" }, "secret_id", "missing"},
		"secret id with a space":    {func(c *Config) { c.SecretID = "moq {{.Relay}}" }, "secret_id", "AWS takes"},
		"secret id too long":        {func(c *Config) { c.SecretID = strings.Repeat("x", 513) }, "secret_id", "AWS takes"},
		"unknown word":              {func(c *Config) { c.SecretID = "{{.Token}}" }, "secret_id", "Token"},
		"ARN of another region":     {func(c *Config) { c.SecretID = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf" }, "secret_id", "us-east-1"},
		"a format of files":         {func(c *Config) { c.Format = sinks.FormatEnv }, "format", "env"},
		"region that is none":       {func(c *Config) { c.Region = "Ireland" }, "region", "Ireland"},
		"role that is none":         {func(c *Config) { c.RoleARN = "rotatord" }, "role_arn", "no ARN"},
		"plain http off loopback":   {func(c *Config) { c.EndpointURL = "http://aws.example" }, "endpoint_url", "in clear"},
		"endpoint with a password":  {func(c *Config) { c.EndpointURL = "https://a:b@aws.example" }, "endpoint_url", "bare"},
		"endpoint without a scheme": {func(c *Config) { c.EndpointURL = "aws.example" }, "endpoint_url", "no http"},
		"key without create":        {func(c *Config) { c.Create, c.KMSKeyID = false, "alias/moq" }, "create", "kms_key_id"},
		"reserved tag":              {func(c *Config) { c.Tags = map[string]string{"aws:x": "y"} }, "tags", "aws:x"},
		"tag of odd characters":     {func(c *Config) { c.Tags = map[string]string{"x": "<>"} }, "tags", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			config := NewConfig()
			config.Region, config.SecretID = "eu-west-1", "moq/{{.Relay}}/{{.Type}}"
			c.change(config)
			got := config.Problems()
			if c.key == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || got[0].Key != c.key || !strings.Contains(got[0].Text, c.text) {
				t.Errorf("Problems = %+v, want one of %q with %q", got, c.key, c.text)
			}
		})
	}
}

func TestLocateGivesTheSamePlaceTheSameName(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:moq/a-AbCdEf"
	for name, c := range map[string]struct {
		config Config
		target string
		want   string
	}{
		"a name":                   {Config{Region: "eu-west-1"}, "moq/a", "awssm://eu-west-1/moq/a"},
		"the default region":       {Config{}, "moq/a", "awssm://default/moq/a"},
		"an endpoint":              {Config{Region: "eu-west-1", EndpointURL: "https://vpce.example"}, "moq/a", "awssm://vpce.example/moq/a"},
		"a role tells the account": {Config{Region: "eu-west-1", RoleARN: "arn:aws:iam::123456789012:role/r"}, "moq/a", "awssm://123456789012@eu-west-1/moq/a"},
		"and so does an ARN":       {Config{}, arn, "awssm://123456789012@eu-west-1/moq/a"},
		"both":                     {Config{RoleARN: "arn:aws:iam::999999999999:role/r"}, arn, "awssm://123456789012@eu-west-1/moq/a"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := c.config.Locate(c.target); err != nil || got != c.want {
				t.Errorf("Locate = %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestAVersionIDIsAUUIDOutOfRotationAndContent(t *testing.T) {
	one := versionID("r1", secret.New("a"))
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(one) {
		t.Errorf("%q is no UUID", one)
	}
	if one != versionID("r1", secret.New("a")) {
		t.Error("the same write has two ids")
	}
	if one == versionID("r2", secret.New("a")) || one == versionID("r1", secret.New("b")) {
		t.Error("two writes have the same id")
	}
}

var _ sinks.Spec = (*Config)(nil)
