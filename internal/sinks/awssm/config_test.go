package awssm

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

func TestDiagnosticsNameTheirKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		key    string // "" for none
		text   string
	}{
		"region beyond host labels": {func(c *Config) { c.Region = strings.Repeat("a", 64) }, "region", "no AWS region"},
		"region with a dot":         {func(c *Config) { c.Region = "eu-west-1.example" }, "region", "no AWS region"},
		"region that begins badly":  {func(c *Config) { c.Region = "-eu-west-1" }, "region", "no AWS region"},
		"region of no known shape":  {func(c *Config) { c.Region = "euwest1" }, "region", "unlike"},
		"an availability zone":      {func(c *Config) { c.Region = "eu-west-1a" }, "region", "unlike"},
		"role of another partition": {func(c *Config) { c.RoleARN = "arn:aws-iso-b:iam::123456789012:role/r" }, "", ""},
		"secret of the sovereign EU": {func(c *Config) {
			c.Region, c.SecretID = "eusc-de-east-1", "arn:aws-eusc:secretsmanager:eusc-de-east-1:123456789012:secret:a-AbCdEf"
		}, "", ""},
		"nothing wrong":              {func(*Config) {}, "", ""},
		"region of the environment":  {func(c *Config) { c.Region = "" }, "", ""},
		"plain http on loopback":     {func(c *Config) { c.EndpointURL = "http://127.0.0.1:4566" }, "", ""},
		"plain http by choice":       {func(c *Config) { c.EndpointURL, c.Insecure = "http://aws.example", true }, "", ""},
		"no secret id":               {func(c *Config) { c.SecretID = "" }, "secret_id", "missing"},
		"secret id with a space":     {func(c *Config) { c.SecretID = "moq {{.Relay}}" }, "secret_id", "AWS takes"},
		"secret id too long":         {func(c *Config) { c.SecretID = strings.Repeat("x", 513) }, "secret_id", "AWS takes"},
		"unknown word":               {func(c *Config) { c.SecretID = "{{.Token}}" }, "secret_id", "Token"},
		"ARN of another region":      {func(c *Config) { c.SecretID = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf" }, "secret_id", "us-east-1"},
		"a format of files":          {func(c *Config) { c.Format = sinks.FormatEnv }, "format", "env"},
		"region that is none":        {func(c *Config) { c.Region = "Ireland" }, "region", "Ireland"},
		"role that is none":          {func(c *Config) { c.RoleARN = "rotatord" }, "role_arn", "no ARN"},
		"plain http off loopback":    {func(c *Config) { c.EndpointURL = "http://aws.example" }, "endpoint_url", "in clear"},
		"endpoint with a password":   {func(c *Config) { c.EndpointURL = "https://a:b@aws.example" }, "endpoint_url", "bare"},
		"endpoint with no such port": {func(c *Config) { c.EndpointURL = "https://aws.example:99999" }, "endpoint_url", "no http"},
		"endpoint without a host":    {func(c *Config) { c.EndpointURL = "https://:443" }, "endpoint_url", "no http"},
		"endpoint without a scheme":  {func(c *Config) { c.EndpointURL = "aws.example" }, "endpoint_url", "no http"},
		"key without create":         {func(c *Config) { c.Create, c.KMSKeyID = false, "alias/moq" }, "create", "kms_key_id"},
		"reserved tag":               {func(c *Config) { c.Tags = map[string]string{"aws:x": "y"} }, "tags", "aws:x"},
		"tag of odd characters":      {func(c *Config) { c.Tags = map[string]string{"x": "<>"} }, "tags", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			config := NewConfig()
			config.Region, config.SecretID = "eu-west-1", "moq/{{.Relay}}/{{.Type}}"
			c.change(config)
			got := config.Diagnostics()
			if c.key == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || got[0].Key != c.key || !strings.Contains(got[0].Text, c.text) || got[0].Warning != (c.text == "unlike") {
				t.Errorf("Diagnostics = %+v, want one of %q with %q", got, c.key, c.text)
			}
		})
	}
}

// partitions are what the SDK knows of AWS's regions.
func partitions(t *testing.T) (regions []string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2").Output()
	must(t, err)
	text, err := os.ReadFile(strings.TrimSpace(string(out)) + "/internal/endpoints/awsrulesfn/partitions.json")
	must(t, err)
	var known struct {
		Partitions []struct {
			RegionRegex string
			Regions     map[string]any
		}
	}
	must(t, json.Unmarshal(text, &known))
	for _, p := range known.Partitions {
		of := regexp.MustCompile(p.RegionRegex)
		for r := range p.Regions {
			if of.MatchString(r) { // others, such as aws-global, are none
				regions = append(regions, r)
			}
		}
	}
	return regions
}

func TestEveryRegionThatTheSDKKnowsIsTaken(t *testing.T) {
	regions := append(partitions(t), "eusc-de-east-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "us-isob-east-1",
		"eu-isoe-west-1", "mx-central-1", "ap-southeast-7", "sa-west-12")
	if len(regions) < 40 {
		t.Fatalf("only %d regions were found: the test cannot fail", len(regions))
	}
	for _, r := range regions {
		c := NewConfig()
		c.Region, c.SecretID = r, "moq/{{.Relay}}"
		if got := c.Diagnostics(); len(got) > 0 {
			t.Errorf("%s: %+v", r, got)
		}
	}
}

func TestLocateGivesTheSamePlaceTheSameName(t *testing.T) {
	const part = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:moq/a"
	const arn = part + "-AbCdEf"
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
		"an ARN without its end":   {Config{}, part, "awssm://123456789012@eu-west-1/moq/a"},
		"a name that ends alike":   {Config{}, part + "-studio", "awssm://123456789012@eu-west-1/moq/a-studio"},
		"another such name":        {Config{}, part + "-cam012", "awssm://123456789012@eu-west-1/moq/a-cam012"},
		"and with its end":         {Config{}, part + "-studio-x1Y2z3", "awssm://123456789012@eu-west-1/moq/a-studio"},
		"a name is a name":         {Config{RoleARN: "arn:aws:iam::123456789012:role/r", Region: "eu-west-1"}, "moq/a-AbCdEf", "awssm://123456789012@eu-west-1/moq/a-AbCdEf"},
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

func TestOfSeveralWrongTagsTheFirstByNameIsTold(t *testing.T) {
	c := NewConfig()
	c.SecretID, c.Tags = "moq", map[string]string{"aws:c": "", "aws:a": "", "aws:d": "", "aws:b": "", "fine": ""}
	for range 20 {
		if got := c.Diagnostics(); len(got) != 1 || !strings.Contains(got[0].Text, `"aws:a"`) {
			t.Fatalf("%+v", got)
		}
	}
}
