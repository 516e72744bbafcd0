package file

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

func trialOptions() sinks.ProbeOptions {
	return sinks.ProbeOptions{Read: true, Trial: secret.New(strings.Repeat("x", 1000))}
}

// tried probes target with a trial that must go well.
func tried(t *testing.T, s *sink, target string) sinks.Holding {
	t.Helper()
	h, err := s.Probe(t.Context(), target, trialOptions())
	must(t, err)
	return h
}

func TestOnlyATrialWrites(t *testing.T) {
	dir := t.TempDir()
	var steps []step
	s := openWith(t, nil, hooks{before: func(s step) error { steps = append(steps, s); return nil }})
	h, err := s.Probe(t.Context(), dir+"/token", sinks.ProbeOptions{Read: true})
	must(t, err)
	if h.Untried == "" || slices.Contains(steps, stepCreate) {
		t.Errorf("without a trial: untried %q, steps %q", h.Untried, steps)
	}
	if h := tried(t, s, dir+"/token"); h.Untried != "" || !slices.Contains(steps, stepCreate) || slices.Contains(steps, stepRename) {
		t.Errorf("with a trial: untried %q, steps %q", h.Untried, steps)
	}
	if got := entries(t, dir); len(got) != 0 {
		t.Errorf("the folder holds %q", got)
	}
}

// A write meets the same steps, and so does what the kernel or a quota refuses there.
func TestATrialFailsAsTheWriteWould(t *testing.T) {
	for _, s := range []step{stepCreate, stepOwn, stepWrite, stepSync} {
		t.Run(string(s), func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "token")
			put(t, openWith(t, nil, hooks{}), target, "old")
			_, err := openWith(t, nil, at(s, func() error { return unix.EDQUOT })).Probe(t.Context(), target, trialOptions())
			wantRefusal(t, "Probe", err, refusal{fault.Retry, fault.Full, "quota"})
			wantContent(t, target, "old")
			if got := entries(t, filepath.Dir(target)); !slices.Equal(got, []string{"token"}) {
				t.Errorf("the folder holds %q", got)
			}
		})
	}
}

func TestATrialIsNeverForOthersToRead(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	seen := 0
	s := openWith(t, func(c *Config) { c.Mode = "0644" }, hooks{before: func(s step) error {
		switch want := map[step]uint32{stepOwn: 0o600, stepWrite: 0o644}[s]; want {
		case 0:
		default:
			seen++
			if st := stat(t, temporaryBeside(target)); st.Mode&0o7777 != want || st.Size != 0 {
				t.Errorf("before %q: mode %o, size %d", s, st.Mode&0o7777, st.Size)
			}
		}
		return nil
	}})
	tried(t, s, target)
	if seen != 2 {
		t.Errorf("%d of 2 steps were met", seen)
	}
}

func TestWhereFoldersAreMissingTheTrialIsMadeInTheNearestAndMakesNone(t *testing.T) {
	dir := t.TempDir()
	var during []string
	s := openWith(t, nil, at(stepWrite, func() error { during = entries(t, dir); return nil }))
	tried(t, s, dir+"/a/b/token")
	if len(during) != 1 || !strings.HasPrefix(during[0], ".rotatord-") {
		t.Errorf("during the trial the folder holds %q", during)
	}
	if got := entries(t, dir); len(got) != 0 {
		t.Errorf("after it: %q", got)
	}
}

// Targets whose folders are all missing are tried in one folder, and none is in another's way.
func TestTrialsInOneFolderDoNotMeet(t *testing.T) {
	dir := t.TempDir()
	other, err := durable.Create(opened(t, dir), filepath.Base(temporaryIn(dir, dir+"/a/token")))
	must(t, err)
	defer other.Close()
	for _, target := range []string{"/b/token", "/token"} {
		tried(t, openWith(t, nil, hooks{}), dir+target)
	}
}

func TestWhatATrialLeftInACrashIsRemoved(t *testing.T) {
	for name, next := range map[string]func(*testing.T, *sink, string){
		"by the next trial": func(t *testing.T, s *sink, target string) { tried(t, s, target) },
		"by a write":        func(t *testing.T, s *sink, target string) { put(t, s, target, "value") },
	} {
		t.Run(name, func(t *testing.T) {
			for _, target := range []string{"token", "a/token"} {
				dir := t.TempDir()
				crashing := openWith(t, nil, at(stepWrite, func() error { panic(errCrash) }))
				if _, err := crashing.Probe(t.Context(), filepath.Join(dir, target), trialOptions()); err == nil || len(entries(t, dir)) != 1 {
					t.Fatalf("the crash left nothing: %v", err)
				}
				next(t, openWith(t, nil, hooks{}), filepath.Join(dir, target))
				for _, name := range entries(t, dir) {
					if strings.HasPrefix(name, ".rotatord-") {
						t.Errorf("%s was left", name)
					}
				}
			}
		})
	}
}

// modeless is a file system that gives every file one mode, and answers whoever sets another.
func modeless(mode os.FileMode, answer error) hooks {
	return hooks{chmod: func(f *os.File, _ os.FileMode) error {
		if err := f.Chmod(mode); err != nil {
			return err
		}
		return answer
	}}
}

func TestAFileSystemThatKeepsNoModesWorksAndIsTold(t *testing.T) {
	for _, errno := range []error{unix.EPERM, unix.EACCES, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOSYS, nil} {
		s := openWith(t, nil, modeless(0o755, errno))
		target := filepath.Join(t.TempDir(), "token")
		h := tried(t, s, target)
		if len(h.Warnings) != 1 {
			t.Fatalf("%v: warnings = %q, want one", errno, h.Warnings)
		}
		for _, want := range []string{filepath.Dir(target), "mode 0755 instead of 0640", "everybody on this machine can read", "umask="} {
			if !strings.Contains(h.Warnings[0], want) {
				t.Errorf("%v: warning %q lacks %q", errno, h.Warnings[0], want)
			}
		}
		put(t, s, target, "value")
		wantContent(t, target, "value")
		before := stat(t, target).Ino
		put(t, s, target, "value")
		if stat(t, target).Ino != before {
			t.Errorf("%v: a repeat of the write replaced the file", errno)
		}
		put(t, s, target, "new value")
		wantContent(t, target, "new value")
	}
}

func TestWhatAnotherModeMeansIsSaid(t *testing.T) {
	for got, want := range map[os.FileMode]string{
		0o777: "everybody on this machine can change", 0o755: "everybody on this machine can read", 0o660: "its group can change",
		0o640: "", 0o600: "some who are to read the token cannot",
	} {
		if text := meaningOfMode(got, 0o640); !strings.Contains(text, want) || want == "" && text != "" {
			t.Errorf("%#o: %q, want %q", got, text, want)
		}
	}
	if text := meaningOfMode(0o440, 0o400); !strings.Contains(text, "its group can read") {
		t.Error(text)
	}
}

func TestAFailureToSetTheModeIsNotTakenForAFileSystemWithoutModes(t *testing.T) {
	s := openWith(t, nil, modeless(0o755, unix.EIO))
	_, err := s.Probe(t.Context(), filepath.Join(t.TempDir(), "token"), trialOptions())
	wantRefusal(t, "Probe", err, refusal{fault.Retry, fault.Storage, "check the disk"})
}

func TestOrdinaryPermissionsAreNoWarning(t *testing.T) {
	s := openWith(t, func(c *Config) { c.Mode, c.Owner, c.Group = "0440", uid(), gid() }, hooks{})
	if h := tried(t, s, filepath.Join(t.TempDir(), "token")); len(h.Warnings) != 0 {
		t.Errorf("warnings = %q", h.Warnings)
	}
}

// Some file systems take a chown and do nothing.
func TestAnOwnerThatIsNotTakenIsTold(t *testing.T) {
	d := disk{hooks: hooks{chown: func(*os.File, int, int) error { return nil }}}
	warnings, err := d.tryWrite(filepath.Join(t.TempDir(), "token"), secret.New("x"), 0o640, owner{4711, 4712, -1}, grant{}, true)
	must(t, err)
	if text := strings.Join(warnings, ""); !strings.Contains(text, "instead of 4711") || !strings.Contains(text, "instead of 4712") {
		t.Errorf("warnings = %q", warnings)
	}
}

func TestAFileThatCannotBeReadBackIsFoundByTheTrial(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	s := openWith(t, nil, modeless(0, nil))
	_, err := s.Probe(t.Context(), filepath.Join(t.TempDir(), "token"), trialOptions())
	wantRefusal(t, "Probe", err, refusal{fault.Permanent, fault.Forbidden, "verify: false"})
}

// The kernel's calls in this order take CAP_CHOWN alone: who gave a file away may not set its mode.
func TestTheFileIsGivenAwayLast(t *testing.T) {
	var calls []string
	d := disk{hooks: hooks{
		chown: func(_ *os.File, uid, _ int) error {
			calls = append(calls, map[bool]string{true: "owner", false: "group"}[uid >= 0])
			return nil
		},
		chmod: func(*os.File, os.FileMode) error { calls = append(calls, "mode"); return nil },
	}}
	_, err := d.tryWrite(filepath.Join(t.TempDir(), "token"), secret.New("x"), 0o640, owner{4711, 4712, -1}, grant{}, false)
	must(t, err)
	if want := []string{"group", "mode", "owner"}; !slices.Equal(calls, want) {
		t.Errorf("calls = %q, want %q", calls, want)
	}
}

func TestSyncingAFolderMayBeUnknownToItsFileSystem(t *testing.T) {
	for _, errno := range []error{unix.EINVAL, unix.ENOTSUP, unix.ENOSYS} {
		s := openWith(t, nil, hooks{sync: func(string) error { return &os.PathError{Op: "sync", Path: "/x", Err: errno} }})
		target := filepath.Join(t.TempDir(), "a/token")
		put(t, s, target, "value")
		put(t, s, target, "value")
		wantContent(t, target, "value")
	}
	s := openWith(t, nil, hooks{sync: func(string) error { return unix.EIO }})
	err := s.Write(t.Context(), filepath.Join(t.TempDir(), "token"), secret.New("value"), sinks.WriteOptions{RotationID: "r"})
	wantRefusal(t, "Write", err, refusal{fault.Retry, fault.Storage, "check the disk"})
}

// Two sinks may lead to one file: both try the write's own temporary file, and neither is in the other's way.
func TestTrialsOfOneFileUnderTwoNamesDoNotFail(t *testing.T) {
	root := t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, "a"), 0o755))
	must(t, os.Symlink(filepath.Join(root, "a"), filepath.Join(root, "b")))
	inside, leave := make(chan struct{}), make(chan struct{})
	slow := openWith(t, nil, at(stepWrite, func() error { close(inside); <-leave; return nil }))
	done := make(chan error, 1)
	go func() {
		_, err := slow.Probe(t.Context(), root+"/a/token", trialOptions())
		done <- err
	}()
	<-inside
	h, err := openWith(t, nil, hooks{}).Probe(t.Context(), root+"/b/token", trialOptions())
	if err != nil || h.Untried == "" {
		t.Errorf("the second trial: %v, untried %q", err, h.Untried)
	}
	close(leave)
	must(t, <-done)
}
