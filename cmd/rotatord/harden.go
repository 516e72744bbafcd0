package main

import (
	"errors"

	"golang.org/x/sys/unix"
)

// noCoreDumps keeps tokens in memory out of core dumps, and other processes of
// the same user from reading that memory.
func noCoreDumps() error {
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
}
