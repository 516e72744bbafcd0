package vault

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"regexp"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
	"github.com/hashicorp/vault/api/auth/kubernetes"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path

// static is a token that somebody else obtained.
type static struct{ source secret.Source }

// login asks how long the token lives, so that it can be renewed in time. A
// token that may not ask is used as it is, unless Vault says that it is dead.
func (*static) login(ctx context.Context, c *api.Client, token secret.Value) (*api.Secret, error) {
	c.SetToken(token.Reveal())
	auth := &api.SecretAuth{ClientToken: token.Reveal()}
	self, err := c.Auth().Token().LookupSelfWithContext(ctx)
	switch {
	case hasStatus(err, 403) && !hasWords(err, invalidToken):
		return &api.Secret{Auth: auth}, nil
	case err != nil:
		return nil, err
	}
	ttl, err := self.TokenTTL()
	if err != nil {
		return nil, err
	}
	auth.LeaseDuration = int(ttl / time.Second)
	auth.Renewable, err = self.TokenIsRenewable()
	return &api.Secret{Auth: auth}, err
}

// current reports whether the source still has the token, if it can be read: a token file that was replaced is noticed
// at its next use.
func (s *static) current(token secret.Value, env secret.Environment) bool {
	now, err := s.source.Read(env)
	return err != nil || now.Equal(token)
}

func (m *AppRole) login(ctx context.Context, c *api.Client, id secret.Value) (*api.Secret, error) {
	if err := m.checkWrapping(ctx, c, id); err != nil {
		return nil, err
	}
	login, err := approle.NewAppRoleAuth(m.RoleID, &approle.SecretID{FromString: id.Reveal()},
		approle.WithMountPath(mountOr(m.Mount, "approle")))
	if err != nil {
		return nil, err
	}
	answer, err := login.Login(ctx, c)
	if isRefusal(err) && wrappingToken.MatchString(id.Reveal()) {
		f := *fault.Of(toFault("", "", err))
		f.Err = fmt.Errorf("%w; what secret_id holds has the form of a wrapping token", f.Err)
		f.Reason, f.Hint = fault.Unauthorized, "if it is one, it was unwrapped already or has expired: "+unwrapFirst
		return nil, &f
	}
	return answer, err
}

// wrappingToken is what a token that wraps an answer looks like: a service token, or a JWT.
var wrappingToken = regexp.MustCompile(`^(hvs\.[A-Za-z0-9_-]{20,}|s\.[A-Za-z0-9]{24}(\.[A-Za-z0-9]+)?|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$`)

const unwrapFirst = "put the secret id itself into its source, such as with `vault unwrap -field=secret_id`; " +
	"rotatord unwraps nothing, because it would have nothing to log in with after a restart"

// checkWrapping refuses a secret id that is wrapped, without using it up. A secret id may be any
// text: Vault is asked about what looks like a wrapping token, and only its word counts.
func (m *AppRole) checkWrapping(ctx context.Context, c *api.Client, id secret.Value) error {
	if !wrappingToken.MatchString(id.Reveal()) {
		return nil
	}
	found, err := c.Logical().WriteWithContext(ctx, "sys/wrapping/lookup", map[string]any{"token": id.Reveal()})
	if err != nil || found == nil || found.Data["creation_path"] == nil {
		return ctx.Err() // it is none, or none any more
	}
	return fault.Newf(fault.Permanent, fault.Unauthorized, opLogin, "", "the secret_id is response-wrapped: its source holds the wrapping token that %v gave",
		found.Data["creation_path"]).WithHint(unwrapFirst)
}

func (m *Kubernetes) login(ctx context.Context, c *api.Client, token secret.Value) (*api.Secret, error) {
	login, err := kubernetes.NewKubernetesAuth(m.Role, kubernetes.WithServiceAccountToken(token.Reveal()),
		kubernetes.WithMountPath(mountOr(m.Mount, "kubernetes")))
	if err != nil {
		return nil, err
	}
	return login.Login(ctx, c)
}

func (m *JWT) login(ctx context.Context, c *api.Client, token secret.Value) (*api.Secret, error) {
	words := map[string]any{"jwt": token.Reveal()}
	if m.Role != "" {
		words["role"] = m.Role
	}
	return c.Logical().WriteWithContext(ctx, loginPath(m.Mount, "jwt"), words)
}

// login shows the certificate that the files hold now: a connection that is open
// already has shown an older one.
func (m *Cert) login(ctx context.Context, c *api.Client, _ secret.Value) (*api.Secret, error) {
	c.CloneConfig().HttpClient.CloseIdleConnections()
	words := map[string]any{}
	if m.Role != "" {
		words["name"] = m.Role
	}
	return c.Logical().WriteWithContext(ctx, loginPath(m.Mount, "cert"), words)
}

func (s *static) sources() []secret.Source  { return []secret.Source{s.source} }
func (m *AppRole) sources() []secret.Source { return []secret.Source{m.SecretID} }
func (m *JWT) sources() []secret.Source     { return []secret.Source{m.Token} }
func (*Cert) sources() []secret.Source      { return nil }

func (m *Kubernetes) sources() []secret.Source {
	return []secret.Source{{File: cmp.Or(m.TokenFile, serviceAccountToken)}}
}

func (s *static) credential(env secret.Environment) (secret.Value, error) {
	return readFrom(s.source, env)
}

func (m *AppRole) credential(env secret.Environment) (secret.Value, error) {
	return readFrom(m.SecretID, env)
}

// credential reads a file that kubelet may let everybody in the pod read.
func (m *Kubernetes) credential(secret.Environment) (secret.Value, error) {
	s := m.sources()[0]
	v, err := s.ReadShared()
	if err != nil {
		return v, unreadableSource(s, err)
	}
	return v, nil
}

func (m *JWT) credential(env secret.Environment) (secret.Value, error) {
	return readFrom(m.Token, env)
}

// credential reads the certificate: it is public, but it tells one from the next.
func (m *Cert) credential(secret.Environment) (secret.Value, error) {
	pem, err := os.ReadFile(m.CertFile)
	if err != nil {
		return secret.Value{}, unreadableSource(secret.Source{File: m.CertFile}, err)
	}
	return secret.New(string(pem)), nil
}

func readFrom(s secret.Source, env secret.Environment) (secret.Value, error) {
	v, err := s.Read(env)
	if err != nil {
		return v, unreadableSource(s, err)
	}
	return v, nil
}

// account is what refused logins are remembered under: refusals of tokens have nothing to do with each other.
func (*static) account(token secret.Value) string { return "token " + secret.Fingerprint(token) }
func (m *AppRole) account(secret.Value) string    { return loginPath(m.Mount, "approle") + " " + m.RoleID }
func (m *Kubernetes) account(secret.Value) string {
	return loginPath(m.Mount, "kubernetes") + " " + m.Role
}
func (m *JWT) account(secret.Value) string  { return loginPath(m.Mount, "jwt") + " " + m.Role }
func (m *Cert) account(secret.Value) string { return loginPath(m.Mount, "cert") + " " + m.Role }

// current reports true: only Vault can tell whether a token that it gave at a login is still good.
func (*AppRole) current(secret.Value, secret.Environment) bool    { return true }
func (*Kubernetes) current(secret.Value, secret.Environment) bool { return true }
func (*JWT) current(secret.Value, secret.Environment) bool        { return true }
func (*Cert) current(secret.Value, secret.Environment) bool       { return true }

// logsIn reports false: a token that was given is its giver's to end.
func (*static) logsIn() bool     { return false }
func (*AppRole) logsIn() bool    { return true }
func (*Kubernetes) logsIn() bool { return true }
func (*JWT) logsIn() bool        { return true }
func (*Cert) logsIn() bool       { return true }

func mountOr(mount, standard string) string { return trimSlashes(cmp.Or(mount, standard)) }

func loginPath(mount, standard string) string {
	return path.Join("auth", mountOr(mount, standard), "login")
}

func unreadableSource(s secret.Source, err error) error {
	return &fault.Error{
		Class: fault.Permanent, Reason: fault.Unauthorized, Op: opLogin, Err: err,
		Hint: s.Remedy(),
	}
}

// tokenOf takes the token out of a login's answer.
func tokenOf(answer *api.Secret) (secret.Value, error) {
	switch {
	case answer == nil || answer.Auth == nil:
		return secret.Value{}, badAnswer("a login without a token")
	case answer.Auth.MFARequirement != nil:
		return secret.Value{}, fault.Newf(fault.Permanent, fault.Unauthorized, opLogin, "", "Vault demands a second factor").
			WithHint("exempt rotatord's role from login MFA")
	case answer.Auth.ClientToken == "":
		return secret.Value{}, badAnswer("a login with an empty token")
	}
	return secret.New(answer.Auth.ClientToken), nil
}
