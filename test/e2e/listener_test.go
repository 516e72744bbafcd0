package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/test/harness"
)

// What a peer may have at a time, as docs/configuration.md says.
const (
	connectionsOfAPeer = 64
	streamsOfAPeer     = 8
)

// crowd connects to the daemon's listener without taking more than it has to.
type crowd struct {
	*daemon
	conns []net.Conn
}

// joins makes a connection that has sent a request, if any.
func (c *crowd) joins(request string) net.Conn {
	c.t.Helper()
	conn := harness.Must[net.Conn](c.t)(net.Dial("tcp", c.address()))
	c.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	c.conns = append(c.conns, conn)
	_, err := io.WriteString(conn, request)
	harness.Check(c.t, err)
	return conn
}

// healthy asks for health as a probe does, over a connection of its own.
func (c *crowd) healthy(client *http.Client, scheme string) {
	c.t.Helper()
	status, body, err := harness.Answer(client.Get(scheme + "://" + c.address() + "/-/healthy"))
	if err != nil || status != http.StatusOK {
		c.t.Errorf("health is %d %s, %v", status, body, err)
	}
}

func probe(config *tls.Config) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
}

// within waits for one byte, not for long, and says what came in its place.
func within(conn net.Conn, d time.Duration) error {
	_ = conn.SetReadDeadline(time.Now().Add(d))
	_, err := conn.Read(make([]byte, 1))
	return err
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n" }

func TestConnectionsOfOnePeerThatAskForNothingKeepNobodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	c := &crowd{daemon: w.start()}
	for range 512 {
		conn := c.joins(get("/-/healthy")) // from now on it is kept for two minutes
		_, body, err := harness.Answer(http.ReadResponse(bufio.NewReader(conn), nil))
		if err != nil || !strings.Contains(body, "healthy") {
			t.Fatalf("%q, %v", body, err)
		}
	}
	c.healthy(probe(nil), "http")
	c.predict(expectations{"slots account=main state=idle": is(1)}) // others are served, too
	open := 0
	for _, conn := range c.conns {
		if errors.Is(within(conn, time.Millisecond), os.ErrDeadlineExceeded) {
			open++
		}
	}
	if open > connectionsOfAPeer {
		t.Errorf("%d connections are open", open)
	}
}

func TestOneConnectionHasFewStreamsWhateverItAsksFor(t *testing.T) {
	t.Parallel()
	const streams = 200
	w, ca := newWorld(t, 1), vaulttest.NewCA(t)
	cert, key := ca.ClientCert(t, "127.0.0.1") // for servers, too
	w.Put("web.yml", fmt.Sprintf("tls_server_config: {cert_file: %s, key_file: %s}\n", cert, key))
	w.configure(settings{})
	w.Put("config.yaml", strings.Replace(w.Read("config.yaml"), "server: {", "server: {web_config_file: "+w.Path("web.yml")+", ", 1))
	c := &crowd{daemon: w.start()}
	conn := tls.Client(c.joins(""), &tls.Config{
		RootCAs: ca.TLS().RootCAs, ServerName: "127.0.0.1", NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
	})
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err := conn.Write(manyStreams(streams, "/metrics"))
	harness.Check(t, err)
	begun, refused := 0, 0
	for refused < streams-streamsOfAPeer {
		switch kind, err := readFrame(conn); {
		case err != nil:
			t.Fatalf("%d streams were answered, %d refused: %v", begun, refused, err)
		case kind == frameHeaders:
			begun++
		case kind == frameReset:
			refused++
		}
		if begun > streamsOfAPeer {
			t.Fatalf("%d streams are answered at once", begun)
		}
	}
	c.healthy(probe(ca.TLS()), "https")
}

// Types of frames of HTTP/2.
const (
	frameHeaders  = 1
	frameReset    = 3
	frameSettings = 4
)

// manyStreams is what a client of HTTP/2 sends that asks n times for a path at once, whatever the server says, and takes
// no byte of an answer's body.
func manyStreams(n int, path string) []byte {
	const firstWindow, endOfStreamAndHeaders = 4, 0x1 | 0x4
	var b bytes.Buffer
	b.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	b.Write(frame(frameSettings, 0, 0, binary.BigEndian.AppendUint16(nil, firstWindow), make([]byte, 4)))
	header := append([]byte{0x82, 0x87, 0x04, byte(len(path))}, path...) // GET, https, :path
	header = append(append(header, 0x01, byte(len("localhost"))), "localhost"...)
	for i := range n {
		b.Write(frame(frameHeaders, endOfStreamAndHeaders, uint32(2*i+1), header))
	}
	return b.Bytes()
}

func frame(kind, flags byte, stream uint32, parts ...[]byte) []byte {
	payload := bytes.Join(parts, nil)
	size := len(payload)
	head := []byte{byte(size >> 16), byte(size >> 8), byte(size), kind, flags}
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

// readFrame reads a frame and returns its type.
func readFrame(from io.Reader) (kind byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, err
	}
	_, err = io.CopyN(io.Discard, from, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
	return head[3], err
}
