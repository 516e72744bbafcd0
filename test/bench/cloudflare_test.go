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
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/secret"
)

const (
	accountID = "023e105f4ecef8ad9ca31a8372d0c353"
	apiToken  = "the-api-token-of-the-benchmarks"

	// simulate tells this very program to be the simulated Cloudflare of so many
	// relays, so that its work is not counted as rotatord's.
	simulate = "BENCH_SIMULATE_RELAYS"
)

// relayID makes up the id of the nth relay.
func relayID(n int) string { return fmt.Sprintf("%032x", 0xa1000+n) }

// newSim makes a Cloudflare of so many relays.
func newSim(relays int) *cfsim.Sim {
	sim := cfsim.New(cfsim.Options{})
	sim.AddAccount(accountID, cfsim.Both)
	sim.AddAPIToken(apiToken, cfsim.Edit, accountID)
	for n := range relays {
		sim.AddRelay(accountID, relayID(n), fmt.Sprintf("relay %d", n))
	}
	return sim
}

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
	s := &http.Server{Handler: newSim(n), ReadHeaderTimeout: time.Minute}
	return s.Serve(l)
}

// cloudflare runs a simulated Cloudflare in a process of its own, and gives its
// API's address.
func cloudflare(tb testing.TB, relays int) (url string) {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), simulate+"="+strconv.Itoa(relays))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(tb, err)
	check(tb, cmd.Start())
	tb.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	check(tb, err)
	return strings.TrimSpace(line)
}

// client calls Cloudflare without a budget.
func client(tb testing.TB, url string, o cf.Observer) *cf.Client {
	tb.Helper()
	c, err := cf.New(cf.Options{
		Account: "main", AccountID: accountID, APIURL: url, Budget: cf.NewBudget(0, 0, 1), Observer: o,
		Token: func() (secret.Value, error) { return secret.New(apiToken), nil },
	})
	check(tb, err)
	tb.Cleanup(c.Close)
	return c
}
