package bench

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/test/harness"
)

// simulate tells this very program to be the simulated Cloudflare of so many
// relays, so that its work is not counted as rotatord's.
const simulate = "BENCH_SIMULATE_RELAYS"

// serveCloudflare is the program when it is told to simulate. It says where.
func serveCloudflare(relays string) error {
	n, err := strconv.Atoi(relays)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String() + cfsim.BasePath)
	s := &http.Server{Handler: harness.NewSim(cfsim.Options{}, n), ReadHeaderTimeout: time.Minute}
	return s.Serve(l)
}

// cloudflare runs a simulated Cloudflare in a process of its own, and returns its
// API's address.
func cloudflare(tb testing.TB, relays int) (url string) {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), simulate+"="+strconv.Itoa(relays))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	harness.Check(tb, err)
	rotatord.Start(tb, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	harness.Check(tb, err)
	return strings.TrimSpace(line)
}

// client calls Cloudflare without a budget.
func client(tb testing.TB, url string, o cf.Observer) *cf.Client {
	tb.Helper()
	c, err := cf.New(cf.Options{
		Account: "main", AccountID: harness.AccountID, APIURL: url, Budget: cf.NewBudget(0, 0, 1), Observer: o,
		Token: func() (secret.Value, error) { return secret.New(harness.APIToken), nil },
	})
	harness.Check(tb, err)
	tb.Cleanup(c.Close)
	return c
}
