package daemon

import (
	"errors"
	"os"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// DenyCoreDumps keeps tokens in memory out of core dumps, and other processes of
// the same user from reading that memory.
func DenyCoreDumps() error {
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
}

// MuteChildren gives libraries no standard error. AWS's SDK hands it to a profile's credential_process, and
// what that prints may be the credentials. Without /dev/null no process can be started anyway.
// What libraries print of themselves goes there too, until somebody hears them (hearLibraries).
func MuteChildren() {
	zap.RedirectStdLog(zap.NewNop()) //nolint:forbidigo // nobody of ours logs there
	if nowhere, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		os.Stderr = nowhere
	}
}
