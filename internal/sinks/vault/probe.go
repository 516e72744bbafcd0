package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// mountFresh is how long a mount that was found right is not looked at again.
const mountFresh = time.Minute

// Probe checks the mount, looks at the secret, and asks Vault what the token may do there.
func (s *sink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	var out sinks.Holding
	err := s.do(ctx, "probe", target, func(ctx context.Context, c *api.Client) error {
		if err := s.checkMount(ctx, c); err != nil {
			return err
		}
		now, err := s.engine.read(ctx, c, target)
		if err != nil && !hasStatus(err, 403) {
			return err
		}
		confideFields(ctx, now.fields)
		if err := s.checkPermission(ctx, c, target, now, o.Read); err != nil {
			return err
		}
		if o.Read && err != nil {
			return err // it may read, says Vault, and yet it may not
		}
		out, err = s.holding(target, now)
		return err
	})
	return out, err
}

func (s *sink) checkMountOnce(ctx context.Context, c *api.Client) error {
	if s.verified.Load() != 0 {
		return nil
	}
	return s.checkMount(ctx, c)
}

// checkMount makes sure that a KV engine of the configured version is at the
// mount: a write in the wrong version's form may succeed at the wrong place.
func (s *sink) checkMount(ctx context.Context, c *api.Client) error {
	if time.Since(time.Unix(0, s.verified.Load())) < mountFresh {
		return nil
	}
	found, err := fetch(ctx, c, "sys/internal/ui/mounts/"+s.config.mount())
	switch {
	case hasStatus(err, 403):
		return nil // Vault does not say
	case err != nil:
		return err
	case found == nil:
		return badAnswer("nothing about the mount")
	}
	if wrong := s.mountProblem(found.Data); wrong != "" {
		return fault.Newf(fault.Permanent, fault.Invalid, "", "", "%s", wrong).WithHint("correct mount or kv_version")
	}
	s.verified.Store(time.Now().UnixNano())
	return nil
}

func (s *sink) mountProblem(found map[string]any) string {
	mount := s.config.mount()
	options, _ := found["options"].(map[string]any)
	version, _ := options["version"].(string)
	if version == "" {
		version = "1"
	}
	path, _ := found["path"].(string)
	switch kind := found["type"]; {
	case kind != "kv" && kind != "generic":
		return fmt.Sprintf("mount %s is no KV engine but %v", mount, kind)
	case trimmed(path) != mount && strings.HasPrefix(mount, path):
		return fmt.Sprintf("%s is no mount: the mount is %s, the rest belongs to path", mount, trimmed(path))
	case version != fmt.Sprint(s.config.KVVersion):
		return fmt.Sprintf("mount %s is KV version %s, configured kv_version: %d", mount, version, s.config.KVVersion)
	}
	return ""
}

// checkPermission asks Vault for the token's capabilities. A token that could
// read but may not ask is given the benefit of the doubt.
func (s *sink) checkPermission(ctx context.Context, c *api.Client, target string, now held, read bool) error {
	data, metadata := s.engine.paths(target)
	mine, err := capabilities(ctx, c, data, metadata)
	if hasStatus(err, 403) && now.known {
		return nil
	}
	if err != nil {
		return err
	}
	var lacking []string
	for _, need := range s.needs(now, read) {
		if !mine.has(data, need) {
			lacking = append(lacking, need)
		}
	}
	if s.usesCAS() && !mine.has(data, "read") && !mine.has(metadata, "read") && !slices.Contains(lacking, "read") {
		lacking = append(lacking, "read (or read on "+metadata+", or cas: false)")
	}
	if len(lacking) > 0 {
		return fault.Newf(fault.Permanent, fault.Forbidden, "", "", "the token's policies lack %s on %s", strings.Join(lacking, ", "), data)
	}
	return nil
}

// needs lists the capabilities that a write to the data needs, and reading it back.
func (s *sink) needs(now held, read bool) []string {
	var out []string
	if !now.used {
		out = append(out, "create")
	}
	if !now.known || now.used {
		out = append(out, "update")
	}
	if read || s.config.WriteMode == Merge {
		out = append(out, "read")
	}
	return out
}

// granted lists capabilities by path.
type granted map[string]any

func (g granted) has(path, capability string) bool {
	list, _ := g[path].([]any)
	return slices.Contains(list, any(capability)) || slices.Contains(list, any("root"))
}

func capabilities(ctx context.Context, c *api.Client, data, metadata string) (granted, error) {
	paths := []string{data}
	if metadata != "" {
		paths = append(paths, metadata)
	}
	found, err := c.Logical().WriteWithContext(ctx, "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, badAnswer("no capabilities")
	}
	return found.Data, nil
}

// advise adds to f what only this sink knows: the policy that is needed, and why
// Vault is not available.
func (s *sink) advise(ctx context.Context, f *fault.Error, target string) {
	a, ok := errors.AsType[*answered](f)
	switch {
	case ok && a.status == 503 && s.isBlank(ctx):
		f.Err, f.Hint = errors.New("Vault is not initialised"), "initialise it: vault operator init"
	case f.Reason == fault.Forbidden && f.Op != opLogin:
		f.Hint = "give the token's policy: " + s.policy(target)
	}
}

// policy is what a policy must grant for target, ready to paste.
func (s *sink) policy(target string) string {
	data, _ := s.engine.paths(target)
	return fmt.Sprintf(`path %q { capabilities = ["create", "read", "update"] }`, data)
}

// isBlank reports whether Vault was never initialised; it then calls itself sealed.
func (s *sink) isBlank(ctx context.Context) bool {
	c, err := s.session.dial(secret.Value{})
	if err != nil {
		return false
	}
	status, err := c.Sys().SealStatusWithContext(ctx)
	return err == nil && !status.Initialized
}
