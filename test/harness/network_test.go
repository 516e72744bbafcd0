package harness

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// asked names the address that this very program asks when it is started anew: a network tells processes apart.
const asked = "HARNESS_TEST_ASKS"

// TestAClientOfANetwork is that client, where it is told so.
func TestAClientOfANetwork(t *testing.T) {
	url := os.Getenv(asked)
	if url == "" {
		return
	}
	if _, _, err := Answer(http.Get(url)); err != nil {
		t.Fatal(err)
	}
}

// networked is a server and two hosts.
type networked struct {
	*Network
	*testing.T
	first, second *Host
	front         string
	called        chan string // by whom, and for what
}

func newNetworked(t *testing.T, late bool) networked {
	t.Helper()
	called := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		called <- host + r.URL.Path
	}))
	t.Cleanup(server.Close)
	n := NewNetwork(t)
	return networked{n, t, n.NewHost(), n.NewHost(), n.Front("it", strings.TrimPrefix(server.URL, "http://"), late), called}
}

// asks has a process of a host ask for a name.
func (n networked) asks(h *Host, name string) *Process {
	n.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAClientOfANetwork$")
	cmd.Env = append(os.Environ(), asked+"=http://"+n.front+"/"+name)
	p := newLauncher().Start(n, cmd)
	h.Runs(p)
	return p
}

func (n networked) isCalled(by *Host, name string) {
	n.Helper()
	select {
	case got := <-n.called:
		if want := by.Address() + "/" + name; got != want {
			n.Errorf("called by %s, want %s", got, want)
		}
	case <-time.After(time.Minute):
		n.Fatal("nobody calls")
	}
}

// isHeld waits until something that was said waits.
func (n networked) isHeld() {
	n.Helper()
	Eventually(n, time.Minute, "what is held", func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.held == 0 {
			return errors.New("nothing is")
		}
		return nil
	})
}

func TestANetworkTellsWhoCallsAndPartsOneHostAlone(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]Lost{"requests": Requests, "answers": Answers, "both": Both} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetworked(t, true)
			n.first.Part("it", lost)
			parted := n.asks(n.first, "parted")
			n.isHeld()
			if lost == Answers {
				n.isCalled(n.first, "parted")
			}
			n.asks(n.second, "whole").Wait(t, time.Minute)
			n.isCalled(n.second, "whole")
			if parted.State() != nil {
				t.Error("the one that is parted has an answer")
			}
			n.first.Join()
			if code := parted.Wait(t, time.Minute); code != 0 {
				t.Errorf("code %d", code)
			}
			if lost != Answers {
				n.isCalled(n.first, "parted")
			}
		})
	}
}

func TestWhatWasSaidWhilePartedIsGoneWhereItIsNotToComeLate(t *testing.T) {
	t.Parallel()
	n := newNetworked(t, false)
	n.first.Part("it", Requests)
	parted := n.asks(n.first, "parted")
	n.isHeld()
	n.first.Join()
	parted.Wait(t, time.Minute)
	if code := n.asks(n.first, "again").Wait(t, time.Minute); code != 0 {
		t.Errorf("code %d", code)
	}
	n.isCalled(n.first, "again") // Go's client repeats what it is sure was not carried out
}
