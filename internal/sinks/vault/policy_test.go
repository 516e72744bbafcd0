package vault

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// The policies that docs/permissions.md gives.
const policies = "../../../deploy/policies/vault/"

// policyCases lists which policies together are right for which sink; from the last one each grant is taken out.
var policyCases = []struct {
	auth  string
	files []string
	setup func(*Config)
}{
	{"approle", []string{"kv2", "login"}, nil},
	{"kubernetes", []string{"kv2", "login"}, nil},
	{"jwt", []string{"kv2", "login"}, nil},
	{"cert", []string{"kv2", "login"}, nil},
	{"token", []string{"kv2", "token"}, nil},
	{"approle", []string{"login", "kv2"}, nil},
	{"approle", []string{"login", "kv2"}, func(c *Config) { c.WriteMode = Merge }},
	{"approle", []string{"login", "kv2", "kv2-cas-false"}, func(c *Config) { c.CAS = false }},
	{"approle", []string{"login", "kv1"}, func(c *Config) { c.KVVersion, c.Mount = 1, "kv" }},
}

// A real Vault, tokens without the policy "default", and all that a sink does.
func TestThePoliciesOfTheDocumentsAreEnoughAndNothingBeyond(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t, vaulttest.TLS())
	server.Mount(t, "kv", 1)
	var trials []*policyTrial
	for i, c := range policyCases {
		whole := readPolicies(t, c.files...)
		for j, without := range append(readPolicies(t, c.files[len(c.files)-1]), grant{}) {
			p := &policyTrial{auth: c.auth, name: strings.Join(c.files, " and ") + " with " + c.auth, without: without, mount: fmt.Sprintf("%s-%d-%d", c.auth, i, j)}
			p.open(t, server, c.setup, whole)
			p.useSink(t)
			trials = append(trials, p)
		}
	}
	for _, p := range trials {
		p.endSink(t)
		p.judge(t)
	}
}

// grant is one capability on one path.
type grant struct{ path, capability string }

// readPolicies returns all that the files grant.
func readPolicies(t *testing.T, files ...string) (out []grant) {
	t.Helper()
	rule := regexp.MustCompile(`(?m)^path "([^"]+)" \{[^\n]*\n\s+capabilities = \[([^\]]+)\]\n\}$`)
	for _, name := range files {
		text, err := os.ReadFile(policies + name + ".hcl")
		if err != nil {
			t.Fatal(err)
		}
		found := rule.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 || len(found) != strings.Count(string(text), "capabilities = ") {
			t.Fatalf("%s.hcl: only %d rules are understood here", name, len(found))
		}
		for _, m := range found {
			for word := range strings.SplitSeq(m[2], ", ") {
				out = append(out, grant{m[1], strings.Trim(word, `"`)})
			}
		}
	}
	return out
}

// policyTrial is a sink whose token has a policy of which one grant may be taken out.
type policyTrial struct {
	name, auth string
	without    grant // none: nothing was taken out
	mount      string
	fixture    *fixture
	sink       *sink
	last       secret.Value // its token
	wrong      []string     // what did not go as it should
}

func (p *policyTrial) open(t *testing.T, server *vaulttest.Server, setup func(*Config), whole []grant) {
	t.Helper()
	f := &fixture{server: server, config: newTestConfig(server), policy: p.mount, bare: true, ttl: time.Hour}
	server.Policy(t, f.policy, joinRules(whole, p.without))
	if p.auth == "token" {
		f.config.Auth.Token = tokenFile(t, server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}, TTL: "1h", NoDefaultPolicy: true}))
	} else {
		enable(t, f, p.auth, p.mount, methods[p.auth])
	}
	if setup != nil {
		setup(f.config)
	}
	p.fixture, p.sink = f, f.open(t)
}

// joinRules writes a policy: Vault takes the last rule for a path alone.
func joinRules(whole []grant, without grant) (out string) {
	words := map[string][]string{}
	for _, g := range whole {
		if g != without {
			words[g.path] = append(words[g.path], fmt.Sprintf("%q", g.capability))
		}
	}
	for path, list := range words {
		out += fmt.Sprintf("path %q { capabilities = [%s] }\n", path, strings.Join(list, ", "))
	}
	return out
}

func (p *policyTrial) target() string { return "moq/" + p.mount + "/subscribe" }

// useSink delivers twice, looks before and after, has Vault refuse a write elsewhere, and lets the token seem to end.
func (p *policyTrial) useSink(t *testing.T) {
	t.Helper()
	p.probe(t)
	p.write(t, 1)
	p.probe(t)
	p.write(t, 2)
	before := p.login(t)
	err := p.sink.Write(t.Context(), "elsewhere", content(t, p.sink, 1), sinks.WriteOptions{})
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Reason != fault.Forbidden {
		p.complain("a write elsewhere: %v", err)
	}
	now := p.login(t)
	if now != before {
		p.complain("a refused write took another login")
	}
	p.last = now.token
	p.sink.session.startRenewal(p.sink.session.life, now, &api.SecretAuth{LeaseDuration: 1, Renewable: true})
}

func (p *policyTrial) login(t *testing.T) *login {
	t.Helper()
	l, err := p.sink.session.login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// endSink sees the token renewed, or given up in place of that, and closes the sink.
func (p *policyTrial) endSink(t *testing.T) {
	t.Helper()
	vaulttest.Eventually(t, 10*ttl, func() error {
		found, err := p.fixture.server.Client(t).Auth().Token().Lookup(p.last.Reveal())
		switch {
		case err == nil && found.Data["last_renewal_time"] != nil:
			return nil
		case p.sink.session.usableLogin() != nil:
			return errors.New("neither renewed nor given up")
		}
		p.complain("its token was not renewed")
		return nil
	})
	if err := p.sink.Close(); err != nil {
		p.complain("close: %v", err)
	}
	if p.auth != "token" && p.fixture.server.Logins(t, p.mount) > 0 {
		p.complain("a login is left behind")
	}
}

func (p *policyTrial) probe(t *testing.T) {
	t.Helper()
	h, err := p.sink.Probe(t.Context(), p.target(), sinks.ProbeOptions{Read: true, Trial: secret.New("trial")})
	if err != nil || h.Untried != "" || len(h.Warnings) > 0 || !h.Known || !p.sink.isVerified() {
		p.complain("probe: %v %s %q", err, h.Untried, h.Warnings)
	}
	h, err = p.sink.Probe(t.Context(), p.target(), sinks.ProbeOptions{Read: true})
	if err != nil || h.Untried != "" {
		p.complain("probe that writes nothing: %v %s", err, h.Untried)
	}
}

// write delivers a record and reads it back.
func (p *policyTrial) write(t *testing.T, n int) {
	t.Helper()
	want := content(t, p.sink, n)
	if err := p.sink.Write(t.Context(), p.target(), want, sinks.WriteOptions{}); err != nil {
		p.complain("write %d: %v", n, err)
	}
	if h, err := p.sink.Read(t.Context(), p.target()); err != nil || !h.Content.Equal(want) {
		p.complain("read %d: %v", n, err)
	}
}

func (p *policyTrial) complain(format string, a ...any) {
	p.wrong = append(p.wrong, fmt.Sprintf(format, a...))
}

func (p *policyTrial) judge(t *testing.T) {
	t.Helper()
	switch nothing := p.without == (grant{}); {
	case nothing && len(p.wrong) > 0:
		t.Errorf("%s is not enough: %q", p.name, p.wrong)
	case !nothing && len(p.wrong) == 0:
		t.Errorf("%s: %s on %s is not needed", p.name, p.without.capability, p.without.path)
	case !nothing:
		t.Logf("%s, without %s on %s: %s", p.name, p.without.capability, p.without.path, p.wrong[0])
	}
}
