package e2e

import (
	"syscall"
	"testing"
)

// TestNothingIsMintedForAFileThatIsAMountPoint has a single file mounted, as into a container. It takes root, as mountSmall does.
func TestNothingIsMintedForAFileThatIsAMountPoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{Disk: ", existing: adopt", Defaults: `{schedule: "@every 1h", sinks: [disk]}`})
	target := w.Path("tokens/live/subscribe.token")
	w.Put("tokens/live/subscribe.token", "")
	w.Put("elsewhere", "what consumers read")
	if err := syscall.Mount(w.Path("elsewhere"), target, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) })

	w.rotatord("check", "--online").Expect(t, 1, "FAIL", "is a mount point", "mount its folder, "+w.Path("tokens/live"))
	w.rotatord("run", "--once").Expect(t, 1, `"step":"preflight"`, "is a mount point")
	if n := w.mostHeld(); n != 0 {
		t.Errorf("%d tokens were minted", n)
	}
	if err := syscall.Unmount(target, 0); err != nil {
		t.Fatal(err)
	}
	w.rotatord("check", "--online").Expect(t, 0, "not tried: needs a write", "can be written")
	w.rotatord("run", "--once").Expect(t, 0)
	if w.mostHeld() != 1 || w.token("live/subscribe") == "" {
		t.Error("nothing was minted and delivered then")
	}
}
