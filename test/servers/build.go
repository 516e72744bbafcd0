// Package servers builds and runs the real servers of tests that have Go modules
// of their own under test/, such as a Vault.
package servers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Build returns the path of the server whose module is the folder module, such as
// test/vaultserver, of this repository, built from its present sources. It is kept
// in the user's cache folder, so that only the first use pays for it: some minutes on
// an empty build cache. The working directory is in the repository.
func Build(module string) (string, error) {
	path, err := cachedPath(module)
	if err != nil {
		return "", fmt.Errorf("build the server %s: %w", module, err)
	}
	return path, nil
}

func cachedPath(module string) (string, error) {
	dir, err := findUp(module)
	if err != nil {
		return "", err
	}
	sum, err := hashSources(dir)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	out := filepath.Join(cache, "rotatord-test", filepath.Base(module)+"-"+sum)
	if err := os.MkdirAll(filepath.Dir(out), 0o750); err != nil {
		return "", err
	}
	return out, buildOnce(dir, out)
}

// findUp returns the folder rel beside or above the working directory, which for a
// test is its package's folder.
func findUp(rel string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for from := dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, rel, "go.mod")); err == nil {
			return filepath.Join(dir, rel), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no folder %s in %s or above", rel, from)
		}
	}
}

func hashSources(dir string) (string, error) {
	h := sha256.New()
	for _, pattern := range []string{"*.go", "go.mod", "go.sum", "ldflags"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		for _, f := range slices.Sorted(slices.Values(files)) {
			text, err := os.ReadFile(f)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s %d\n%s", filepath.Base(f), len(text), text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// buildOnce builds out unless it is there. The lock makes test processes that
// run side by side wait for one build.
func buildOnce(dir, out string) error {
	lock, err := os.OpenFile(out+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // releases the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return buildServer(dir, out)
}

func buildServer(dir, out string) error {
	flags, err := linkerFlags(dir)
	if err != nil {
		return err
	}
	part := out + ".part"
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags="+flags, "-o", part, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	return os.Rename(part, out)
}

// linkerFlags returns those of every server, and what a module's file ldflags adds.
func linkerFlags(dir string) (string, error) {
	more, err := os.ReadFile(filepath.Join(dir, "ldflags"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return "-s -w " + strings.TrimSpace(string(more)), err
}
