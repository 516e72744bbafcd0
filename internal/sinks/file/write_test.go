package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

var errCrash = errors.New("crash")

// writeSteps are the steps of replacing a file, in order.
var writeSteps = []step{stepLook, stepCreate, stepOwn, stepWrite, stepSync, stepRename, stepSyncFolder}

func at(want step, do func() error) hooks {
	return hooks{before: func(s step) error {
		if s == want {
			return do()
		}
		return nil
	}}
}

func TestAFailureAtAnyStepLeavesTheOldContentAndNoLitter(t *testing.T) {
	for _, s := range writeSteps {
		t.Run(string(s), func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "token")
			put(t, openWith(t, nil, hooks{}), target, "old")
			failing := openWith(t, nil, at(s, func() error { return unix.ENOSPC }))
			err := failing.Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{RotationID: "r"})
			if f := fault.Of(err); f == nil || f.Reason != fault.Full || f.Class != fault.Retry {
				t.Errorf("error = %v, want the disk to be full", err)
			}
			if s == stepSyncFolder { // after the rename: there, but not known to be durable
				wantContent(t, target, "new")
			} else {
				wantContent(t, target, "old")
			}
			if got := entries(t, filepath.Dir(target)); !slices.Equal(got, []string{"token"}) {
				t.Errorf("the folder holds %q", got)
			}
		})
	}
}

// A panic at a step runs none of the code after it, like a killed process.
func TestACrashAtAnyStepLeavesAWholeFileAndTheNextWriteCleansUp(t *testing.T) {
	for i, s := range writeSteps {
		t.Run(string(s), func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "token")
			put(t, openWith(t, nil, hooks{}), target, "old")
			crashing := openWith(t, nil, at(s, func() error { panic(errCrash) }))
			if err := crashing.Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{RotationID: "r"}); err == nil {
				t.Fatal("the crash did not happen")
			}
			litter := len(entries(t, filepath.Dir(target))) > 1
			if want := i >= slices.Index(writeSteps, stepOwn) && s != stepSyncFolder; litter != want {
				t.Errorf("temporary file left = %t, want %t: the test does not crash where it thinks", litter, want)
			}
			wantContent(t, target, map[bool]string{true: "new", false: "old"}[s == stepSyncFolder])
			put(t, openWith(t, nil, hooks{}), target, "newer")
			wantContent(t, target, "newer")
			if got := entries(t, filepath.Dir(target)); !slices.Equal(got, []string{"token"}) {
				t.Errorf("the folder holds %q", got)
			}
		})
	}
}

func TestThePermissionsAreRightBeforeTheContentIsThere(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	seen := false
	s := openWith(t, func(c *Config) { c.Mode, c.Owner, c.Group = "0440", uid(), gid() }, at(stepWrite, func() error {
		st := stat(t, temporaryBeside(target))
		seen = true
		if st.Mode&0o7777 != 0o440 || st.Size != 0 {
			t.Errorf("before the content is written: mode %o, size %d", st.Mode&0o7777, st.Size)
		}
		return nil
	}))
	put(t, s, target, "value")
	if !seen {
		t.Error("the write step was not met")
	}
}

func uid() string { return strconv.Itoa(os.Geteuid()) }
func gid() string { return strconv.Itoa(os.Getegid()) }

func TestTheUmaskDoesNotCutTheModes(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	dir := t.TempDir()
	target := filepath.Join(dir, "a/b/token")
	put(t, openWith(t, func(c *Config) { c.Mode = "0644" }, hooks{}), target, "value")
	for path, want := range map[string]uint32{"a": 0o750, "a/b": 0o750, "a/b/token": 0o644} {
		if got := stat(t, filepath.Join(dir, path)).Mode & 0o7777; got != want {
			t.Errorf("mode of %s = %o, want %o", path, got, want)
		}
	}
}

func TestANewFolderIsDurableBeforeTheFileIsReported(t *testing.T) {
	var steps []step
	s := openWith(t, nil, hooks{before: func(s step) error { steps = append(steps, s); return nil }})
	put(t, s, filepath.Join(t.TempDir(), "a/b/token"), "value")
	want := []step{
		stepLook, stepFolder, stepSyncFolder, stepFolder, stepSyncFolder,
		stepCreate, stepOwn, stepWrite, stepSync, stepRename, stepSyncFolder,
	}
	if !slices.Equal(steps, want) {
		t.Errorf("steps = %q\nwant    %q", steps, want)
	}
}

func TestASymbolicLinkAtTheTargetIsReplacedNeverFollowed(t *testing.T) {
	dir := t.TempDir()
	victim, target := filepath.Join(dir, "victim"), filepath.Join(dir, "token")
	must(t, os.WriteFile(victim, []byte("value"), 0o640))
	must(t, os.Symlink(victim, target))
	s := openWith(t, nil, hooks{})

	got, err := s.Read(t.Context(), target)
	if err != nil || !got.Exists || !got.Known || !got.Content.IsEmpty() {
		t.Errorf("Read = %+v, %v; want something foreign", got, err)
	}
	put(t, s, target, "value")
	if info, err := os.Lstat(target); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the target is still a link (%v)", err)
	}
	put(t, s, target, "new value")
	wantContent(t, victim, "value")
}

func TestAHardLinkAtTheTargetIsReplacedNeverFollowed(t *testing.T) {
	dir := t.TempDir()
	victim, target := filepath.Join(dir, "victim"), filepath.Join(dir, "token")
	must(t, os.WriteFile(victim, []byte("value"), 0o640))
	must(t, os.Link(victim, target))
	s := openWith(t, nil, hooks{})
	put(t, s, target, "value")
	if stat(t, target).Ino == stat(t, victim).Ino {
		t.Error("a file with another name was taken for ours")
	}
	put(t, s, target, "new value")
	wantContent(t, victim, "value")
}

func TestASymbolicLinkPlantedAsTheTemporaryFileIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	victim, target := filepath.Join(dir, "victim"), filepath.Join(dir, "token")
	must(t, os.WriteFile(victim, []byte("untouched"), 0o640))
	must(t, os.Symlink(victim, temporaryBeside(target)))
	put(t, openWith(t, nil, hooks{}), target, "value")
	wantContent(t, victim, "untouched")
	wantContent(t, target, "value")
}

func TestATemporaryFileOfALivingProcessIsLeftAlone(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	other, err := durable.Create(opened(t, filepath.Dir(target)), filepath.Base(temporaryBeside(target)))
	must(t, err)
	defer other.Close()
	err = openWith(t, nil, hooks{}).Write(t.Context(), target, secret.New("value"), sinks.WriteOptions{RotationID: "r"})
	if f := fault.Of(err); f == nil || f.Reason != fault.Conflict || f.Class != fault.Retry {
		t.Errorf("error = %v, want a passing conflict", err)
	}
	if mine, err := other.Stat(); err != nil || !os.SameFile(mine, lstat(t, temporaryBeside(target))) {
		t.Error("the other's temporary file was removed")
	}
}

func TestTemporaryFilesOfOtherTargetsAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	theirs := temporaryBeside(filepath.Join(dir, "other"))
	must(t, os.WriteFile(theirs, nil, 0o600))
	put(t, openWith(t, nil, hooks{}), filepath.Join(dir, "token"), "value")
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}

func TestTheLongestNameCanBeWritten(t *testing.T) {
	target := filepath.Join(t.TempDir(), strings.Repeat("x", 255))
	put(t, openWith(t, nil, hooks{}), target, "value")
	wantContent(t, target, "value")
}

func TestARepeatedWriteSyncsWhatIsAlreadyRight(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	put(t, openWith(t, nil, hooks{}), target, "value")
	var steps []step
	put(t, openWith(t, nil, hooks{before: func(s step) error { steps = append(steps, s); return nil }}), target, "value")
	if want := []step{stepLook, stepLook, stepSync, stepSyncFolder}; !slices.Equal(steps, want) {
		t.Errorf("steps = %q, want %q", steps, want)
	}
}

func TestAWrongModeIsARewrite(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	s := openWith(t, nil, hooks{})
	put(t, s, target, "value")
	chmod(t, target, 0o644)
	put(t, s, target, "value")
	if got := stat(t, target).Mode & 0o7777; got != 0o640 {
		t.Errorf("mode = %o, want 640", got)
	}
}

// The caller of a stuck write leaves; the write must not come out of the kernel
// later and undo a newer one.
func TestAStuckWriteNeverOvertakesANewerOne(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		var renames atomic.Int64
		s := openWith(t, nil, hooks{before: func(s step) error {
			switch s {
			case stepSync:
				<-stuck
			case stepRename:
				renames.Add(1)
			}
			return nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { first <- s.Write(ctx, target, secret.New("old"), sinks.WriteOptions{RotationID: "r1"}) }()
		synctest.Wait()
		cancel()
		if err := <-first; fault.Of(err).Reason != fault.Canceled {
			t.Errorf("the stuck write's caller got %v", err)
		}
		second := make(chan error, 1)
		go func() {
			second <- s.Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{RotationID: "r2"})
		}()
		synctest.Wait()
		close(stuck)
		must(t, <-second)
		synctest.Wait()
		wantContent(t, target, "new")
		if renames.Load() != 1 {
			t.Error("the write that nobody waited for was committed")
		}
		if got := entries(t, filepath.Dir(target)); !slices.Equal(got, []string{"token"}) {
			t.Errorf("the folder holds %q", got)
		}
	})
}
