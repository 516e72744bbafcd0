package e2e

import "github.com/rotatord/rotatord/test/harness"

// mountSmall mounts a disk of a few hundred kilobytes in the world's folder. It
// takes root, as the tests have it in containers and in CI.
func (w *world) mountSmall(name string) *harness.Disk {
	w.t.Helper()
	disk, err := harness.MountDisk(w.t, w.Path(name), "512k")
	if err != nil {
		w.t.Fatalf("mount a small disk (run this test as root, for example in `unshare --user --map-root-user --mount`): %v", err)
	}
	return disk
}
