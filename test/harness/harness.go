// Package harness is what the tests of the real rotatord share: the binary, a
// folder with its configuration, a simulated Cloudflare, its admin socket, small
// disks, a network that can be cut, and waiting for a condition. test/e2e drives
// rotatord as its users do, test/soak kills it under fire, and test/bench measures it.
//
// What fails here fails the test that asked for it; nothing outlives the tests.
package harness

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// Check fails the test at once when there is an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Must returns a function that returns its value, and fails the test at once when
// there is an error beside it.
func Must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		Check(t, err)
		return v
	}
}

// Eventually waits until check succeeds. It fails the test at once, with what was
// waited for and the last error, when that takes longer than within.
func Eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	vaulttest.Eventually(t, within, func() error {
		if err := check(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

// Pause lets d go by, or less when ctx ends. It is for what consumers and troubles
// do in their own time; whoever waits for rotatord waits for a condition.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// AWSEnv is the environment in which the AWS SDK finds the credentials of the
// stand-in, and asks no machine for others.
func AWSEnv() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + awstest.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + awstest.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// VaultToken returns the token in a secret of a KV mount, of either version. The
// path is that of the API. It reports whether there is a secret.
func VaultToken(t testing.TB, v *vaulttest.Server, path string) (token string, found bool, err error) {
	t.Helper()
	secret, err := v.Client(t).Logical().ReadWithContext(t.Context(), path)
	if err != nil || secret == nil {
		return "", false, err
	}
	data := secret.Data
	if inner, ok := data["data"].(map[string]any); ok {
		data = inner
	}
	token, _ = data["token"].(string)
	return token, true, nil
}
