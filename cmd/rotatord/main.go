// Command rotatord rotates the tokens of Cloudflare Media-over-QUIC relays on
// schedule, delivers them to secret stores, and loses none on the way.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // schedules have time zones, and the image may have none

	_ "golang.org/x/crypto/x509roots/fallback" // certificates of authorities, where the machine has none

	"github.com/rotatord/rotatord/internal/daemon"
)

func main() {
	hangups := daemon.CatchHangups() // before all else
	std := stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr, pause: pause}
	daemon.MuteChildren()
	daemon.LimitMemory(os.DirFS("/"))
	os.Exit(execute(context.Background(), os.Args[1:], std, daemon.TakeEnvironment(), hangups))
}
