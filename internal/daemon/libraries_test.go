package daemon

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/transport"
)

// A server says a length that is too short, and sends the rest as well: net/http prints that.
func TestWhatAServerSendsUnaskedReachesNoLogAndFillsNone(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hungUp := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1024))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}the.canary.value")
			_, _ = io.Copy(io.Discard, c) // until the client hangs up: it has printed then
			_ = c.Close()
			hungUp <- struct{}{}
		}
	}()
	core, seen := observer.New(zap.DebugLevel)
	defer hearLibraries(zap.New(core))()
	client := &http.Client{Transport: transport.New(transport.Options{})}
	for range 10 {
		answer, err := client.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		<-hungUp
	}
	if n := seen.Len(); n != 1 {
		t.Errorf("%d lines, want one a minute", n)
	}
	for _, e := range seen.All() {
		if strings.Contains(e.Message, "canary") || !strings.Contains(e.Message, "Unsolicited response") {
			t.Errorf("logged: %s", e.Message)
		}
	}
}
