package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/file"
	"github.com/rotatord/rotatord/internal/sinks/vault"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/test/harness"
)

// places are the three kinds of sink, and where the script finds them.
type places struct {
	testing.TB
	root  string
	vault *vaulttest.Server
	aws   *awstest.Server
}

func newPlaces(b *testing.B) *places {
	b.Helper()
	root := resolvedDir(b)
	p := &places{TB: b, root: root, vault: vaulttest.Start(b), aws: awstest.New(b)}
	for _, pair := range append(harness.AWSEnv(), "AWS_SESSION_TOKEN=", "AWS_PROFILE=",
		"AWS_CONFIG_FILE="+root+"/none", "AWS_SHARED_CREDENTIALS_FILE="+root+"/none", "HTTP_PROXY=", "http_proxy=") {
		key, value, _ := strings.Cut(pair, "=")
		b.Setenv(key, value)
	}
	harness.Check(b, os.WriteFile(p.path("vault-token"), []byte(p.vault.RootToken), 0o600))
	return p
}

func (p *places) path(name string) string { return filepath.Join(p.root, name) }

// open opens sinks by kind; each takes targets as targetOf gives them.
func (p *places) open(o sinks.Observer, kinds ...string) map[string]sinks.Sink {
	p.Helper()
	all := map[string]sinks.Sink{}
	for _, kind := range kinds {
		spec := p.spec(kind)
		s := harness.Must[sinks.Sink](p)(spec.Open(p.Context(), sinks.OpenOptions{Name: kind}))
		p.Cleanup(func() { _ = s.Close() })
		all[kind] = sinks.Decorate(kind, spec.Shared().Type, s, spec.Shared().Timeout, o)
	}
	return all
}

func (p *places) spec(kind string) sinks.Spec {
	switch kind {
	case "vault":
		c := vault.NewConfig()
		c.Address, c.Auth.Token = p.vault.Address, &secret.Source{File: p.path("vault-token")}
		return c
	case "aws":
		c := awssm.NewConfig()
		c.Region, c.EndpointURL = awstest.Region, p.aws.URL
		return c
	}
	return file.NewConfig()
}

// targetOf is where a sink keeps a slot's token; root is the files' folder.
func targetOf(kind, root, relay, typ string) string {
	if kind == file.Type {
		return filepath.Join(root, relay, typ+".token")
	}
	return "moq/" + relay + "/" + typ
}

// fileSink is a file sink alone, without the others' servers.
func fileSink(tb testing.TB, o sinks.Observer) map[string]sinks.Sink {
	tb.Helper()
	c := file.NewConfig()
	s := harness.Must[sinks.Sink](tb)(c.Open(tb.Context(), sinks.OpenOptions{Name: file.Type}))
	return map[string]sinks.Sink{file.Type: sinks.Decorate(file.Type, file.Type, s, c.Timeout, o)}
}
