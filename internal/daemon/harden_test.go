package daemon

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheProcessLeavesNoCoreDump(t *testing.T) {
	if err := DenyCoreDumps(); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 || limit.Max != 0 {
		t.Errorf("the core limit is %+v (%v), want none", limit, err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("the process is dumpable: %d (%v)", dumpable, err)
	}
}
