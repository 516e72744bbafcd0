package vault

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
)

// mountFresh is how long a mount that was found right is not looked at again.
const mountFresh = time.Minute

func (s *sink) checkMountOnce(ctx context.Context, c *api.Client) error {
	if s.verified.Load() != 0 {
		return nil
	}
	return s.checkMount(ctx, c)
}

// checkMount makes sure that a KV engine of the configured version is at the
// mount: a write in the wrong version's form may succeed at the wrong place.
func (s *sink) checkMount(ctx context.Context, c *api.Client) error {
	if s.isVerified() {
		return nil
	}
	return s.lookAtMount(ctx, c)
}

// isVerified reports whether the mount was found right a moment ago.
func (s *sink) isVerified() bool { return time.Since(time.Unix(0, s.verified.Load())) < mountFresh }

func (s *sink) lookAtMount(ctx context.Context, c *api.Client) error {
	found, err := readPath(ctx, c, "sys/internal/ui/mounts/"+s.config.mountPath())
	switch {
	case hasStatus(err, 403):
		return nil // Vault does not say
	case err != nil:
		return err
	case found == nil:
		return badAnswer("nothing about the mount")
	}
	if wrong := s.mismatchOf(found); wrong != "" {
		return fault.Newf(fault.Permanent, fault.Invalid, "", "", "%s", wrong).WithHint("correct mount or kv_version")
	}
	s.verified.Store(time.Now().UnixNano())
	return nil
}

func (s *sink) mismatchOf(found map[string]any) string {
	mount := s.config.mountPath()
	options, _ := found["options"].(map[string]any)
	version, _ := options["version"].(string)
	if version == "" {
		version = "1"
	}
	path, _ := found["path"].(string)
	switch kind := found["type"]; {
	case kind != "kv" && kind != "generic":
		return fmt.Sprintf("mount %s is no KV engine but %v", mount, kind)
	case trimSlashes(path) != mount && strings.HasPrefix(mount, path):
		return fmt.Sprintf("%s is no mount: the mount is %s, the rest belongs to path", mount, trimSlashes(path))
	case version != fmt.Sprint(s.config.KVVersion):
		return fmt.Sprintf("mount %s is KV version %s, configured kv_version: %d", mount, version, s.config.KVVersion)
	}
	return ""
}
