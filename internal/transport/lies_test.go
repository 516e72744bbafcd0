package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
)

// liar is a server that follows a script, on one connection after the other.
type liar struct {
	net.Listener
	sent atomic.Int64 // bytes, until who called went away
}

func newLiar(t *testing.T, l net.Listener, script func(io.Writer) error) *liar {
	t.Helper()
	s := &liar{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = script(counting{c, &s.sent})
			}()
		}
	}()
	return s
}

type counting struct {
	net.Conn
	n *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// readHead reads the request, as far as its body.
func readHead(c io.Reader) error {
	_, err := http.ReadRequest(bufio.NewReader(c))
	return err
}

// say answers with text, and then hangs up; forever repeats more until nobody listens.
func say(text string) func(io.Writer) error {
	return func(c io.Writer) error {
		if err := readHead(c.(io.Reader)); err != nil {
			return err
		}
		_, err := io.WriteString(c, text)
		return err
	}
}

func forever(text, more string) func(io.Writer) error {
	return func(c io.Writer) error {
		if err := say(text)(c); err != nil {
			return err
		}
		for {
			if _, err := io.WriteString(c, strings.Repeat(more, 1000)); err != nil {
				return err
			}
		}
	}
}

func drip(text string) func(io.Writer) error {
	return func(c io.Writer) error {
		if err := say(text)(c); err != nil {
			return err
		}
		for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
			if _, err := io.WriteString(c, "x"); err != nil {
				return err
			}
		}
	}
}

const (
	good  = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	whole = `{"success":true,"errors":[],"data":{"data":{"token":"x"},"metadata":{"version":1},"ttl":0},"result":{"issuers":[]},"SecretString":"x"}`
)

// lies are the answers that no server gives that means well.
func lies() map[string]func(io.Writer) error {
	return map[string]func(io.Writer) error{
		"an endless header":                    forever(good+"X: ", "x"),
		"headers without end":                  forever(good, "X: y\r\n"),
		"informational answers without end":    forever("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
		"a status line without end":            forever("HTTP/1.1 200 ", "x"),
		"headers that drip":                    drip(good + "X: "),
		"a body that drips":                    drip(good + "\r\n{"),
		"a length that is not reached":         say(good + "Content-Length: 1000\r\n\r\n" + whole),
		"a length that is too short":           say(good + "Content-Length: 5\r\n\r\n" + whole),
		"a length of exabytes":                 forever(good+"Content-Length: 4611686018427387904\r\n\r\n", "x"),
		"a negative length":                    say(good + "Content-Length: -1\r\n\r\n" + whole),
		"two lengths":                          say(good + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
		"a chunk without end":                  forever(good+"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", "x"),
		"a chunk of more than there can be":    say(good + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n"),
		"extensions of a chunk without end":    forever(good+"Transfer-Encoding: chunked\r\n\r\n1;", "x"),
		"trailers without end":                 forever(good+"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\n{\r\n0\r\n", "X: y\r\n"),
		"another protocol":                     say("SSH-2.0-OpenSSH_9.9\r\n"),
		"another protocol, on request":         say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
		"nothing":                              say(""),
		"a status that steers a terminal":      say("HTTP/1.1 400 \x1b[2J\x1b]0;x\x07\r\nContent-Length: 2\r\n\r\n{}"),
		"a header that steers a terminal":      say("HTTP/1.1 302 Found\r\nLocation: https://x/\x1b[2J\r\nContent-Length: 0\r\n\r\n"),
		"a message that steers a terminal":     say("HTTP/1.1 403 Forbidden\r\nContent-Length: 62\r\n\r\n" + `{"success":false,"errors":["\u001b[2J\n\u202e"],"__type":"\n"}  `),
		"a status of four digits":              say("HTTP/1.1 2000 OK\r\n\r\n" + whole),
		"an error with a log line":             say("HTTP/1.1 500 x\r\nContent-Length: 45\r\n\r\n" + `{"errors":["x\n{\"level\":\"info\",\"msg\":\"y\"}"]}`),
		"packed, and it is not":                say(good + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
		"JSON of brackets":                     say(good + "Connection: close\r\n\r\n" + strings.Repeat("[", 1<<20-1)),
		"JSON of objects":                      say(good + "Connection: close\r\n\r\n" + strings.Repeat(`{"data":`, 100_000)),
		"a number of a million digits":         say(good + "Connection: close\r\n\r\n" + `{"data":{"ttl":` + strings.Repeat("9", 1_000_000) + `}}`),
		"a name of a million letters":          say(good + "Connection: close\r\n\r\n" + `{"` + strings.Repeat("x", 1_000_000) + `":1}`),
		"an answer of the year 9999":           say("HTTP/1.1 503 x\r\nDate: Fri, 31 Dec 9999 23:59:59 GMT\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n"),
		"a wait of more than there can be":     say("HTTP/1.1 429 x\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n"),
		"a wait of less than none":             say("HTTP/1.1 429 x\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n"),
		"a way that leads back to where it is": say("HTTP/1.1 307 x\r\nLocation: ?\r\nContent-Length: 0\r\n\r\n"),
	}
}

// clients are all that rotatord has, each with one call that reads.
func clients(ca string) map[string]func(*testing.T, string) func(context.Context) error {
	return map[string]func(*testing.T, string) func(context.Context) error{
		"Cloudflare": openCloudflare, "Vault": openVault(ca), "AWS": openAWS,
	}
}

const (
	patience = 200 * time.Millisecond // of the call
	most     = 150 * patience         // until it is over all the same
	takeable = 16 * (1 << 20)         // bytes on the way: what the kernel holds, and more than rotatord reads
)

// wantRefused demands that a call fails in time, says so fitly, and has not read on and on.
func wantRefused(t *testing.T, call func(context.Context) error, sent func() int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	err := call(ctx)
	if took := time.Since(began); took > most {
		t.Errorf("it took %s", took)
	}
	if err == nil {
		t.Fatal("it is believed")
	}
	f := fault.Of(err)
	if f.Reason == fault.Internal || f.After < 0 {
		t.Errorf("%s, after %s: %v", f.Reason, f.After, err)
	}
	if n := sent(); n > takeable {
		t.Errorf("%d bytes were taken", n)
	}
}

// quiet keeps what net/http prints of such servers out of the tests' output; the daemon cuts it.
func quiet(t *testing.T) { t.Cleanup(zap.RedirectStdLog(zap.NewNop())) } //nolint:forbidigo // see above

// Each client, before each server that lies.
func TestLiesAreNotBelievedAndHoldUpNobody(t *testing.T) {
	quiet(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
	for lie, script := range lies() {
		for name, open := range clients("") {
			t.Run(lie+", "+name, func(t *testing.T) {
				l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				s := newLiar(t, l, script)
				wantRefused(t, open(t, "http://"+l.Addr().String()), s.sent.Load)
			})
		}
	}
}

// frame is one of HTTP/2.
func frame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	return string([]byte{
		byte(n >> 16), byte(n >> 8), byte(n), kind, flags, byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream),
	}) + payload
}

// The kinds of frames.
const (
	data, headers, reset, settings, ping, goAway, windowUpdate, continuation = 0, 1, 3, 4, 6, 7, 8, 9
	endHeaders                                                               = 4
)

const status200 = "\x88"

// floods are what a server may send over HTTP/2 without an end.
func floods() map[string]string {
	return map[string]string{
		"pings":             frame(ping, 0, 0, "01234567"),
		"settings":          frame(settings, 0, 0, ""),
		"windows":           frame(windowUpdate, 0, 0, "\x00\x00\x00\x01"),
		"frames unheard of": frame(0x42, 0, 0, strings.Repeat("x", 1000)),
		"empty data":        frame(headers, endHeaders, 1, status200) + frame(data, 0, 1, ""),
		"data":              frame(data, 0, 1, strings.Repeat("x", 1000)),
		"continuations":     frame(continuation, 0, 1, "\x00\x01x\x01y"),
		"resets":            frame(reset, 0, 1, "\x00\x00\x00\x07"),
		"farewells":         frame(goAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x00"),
	}
}

func TestAFloodOfHTTP2HoldsUpNobody(t *testing.T) {
	quiet(t)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", ca)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
	t.Setenv("SSL_CERT_FILE", ca)
	for what, flood := range floods() {
		for name, open := range clients(ca) {
			t.Run(fmt.Sprint(what, ", ", name), func(t *testing.T) {
				l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{"h2"}})
				if err != nil {
					t.Fatal(err)
				}
				newLiar(t, l, func(c io.Writer) error { return floodWith(c, what, flood) })
				wantRefused(t, open(t, "https://"+l.Addr().String()), func() int64 { return 0 }) // it is read until the call ends
			})
		}
	}
}

// floodWith greets as HTTP/2 demands, waits for a request, and sends flood without an end.
func floodWith(c io.Writer, what, flood string) error {
	if _, err := io.WriteString(c, frame(settings, 0, 0, "")); err != nil {
		return err
	}
	if _, err := c.(io.Reader).Read(make([]byte, 64<<10)); err != nil {
		return err
	}
	switch what {
	case "data":
		_, _ = io.WriteString(c, frame(headers, endHeaders, 1, status200))
	case "continuations":
		_, _ = io.WriteString(c, frame(headers, 0, 1, status200))
	}
	for {
		if _, err := io.WriteString(c, strings.Repeat(flood, 100)); err != nil {
			return err
		}
	}
}
