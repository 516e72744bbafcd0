// Command rotatord rotates the tokens of Cloudflare Media-over-QUIC relays on
// schedule, delivers them to secret stores, and loses none on the way.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // schedules have time zones, and the image may have none

	_ "golang.org/x/crypto/x509roots/fallback" // certificates of authorities, where the machine has none
)

func main() {
	hangups := catchHangups() // before all else
	std := stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	muteChildren()
	limitMemory(os.DirFS("/"))
	os.Exit(execute(context.Background(), os.Args[1:], std, takeEnvironment(), hangups))
}

// muteChildren gives libraries no standard error. AWS's SDK hands it to a profile's credential_process, and
// what that prints may be the credentials. Without /dev/null no process can be started anyway.
func muteChildren() {
	if nowhere, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		os.Stderr = nowhere
	}
}
