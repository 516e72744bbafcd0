package web

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/answers"
)

// crowded is a server on loopback with other options and limits.
func crowded(t *testing.T, change func(*Options, *limits)) *Server {
	t.Helper()
	o := options(newDaemon())
	o.Listen = "127.0.0.1:0"
	s := New(o)
	change(&s.Options, &s.limits)
	start(t, s)
	return s
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn := must(net.Dial("tcp", s.Addr()))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func upstreamStateOf(t *testing.T, s *Server) int {
	t.Helper()
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	status, _ := call(t, c, "GET", "http://"+s.Addr()+"/-/healthy", "", "")
	return status
}

func TestIdleConnectionsOfOnePeerKeepNobodyOut(t *testing.T) {
	s := crowded(t, func(_ *Options, l *limits) { l.header, l.idle = time.Hour, time.Hour })
	var conns []net.Conn
	for range 600 {
		conns = append(conns, dial(t, s))
	}
	if status := upstreamStateOf(t, s); status != 200 {
		t.Errorf("health is %d behind 600 connections that ask for nothing", status)
	}
	if status, _ := call(t, http.DefaultClient, "GET", "http://"+s.Addr()+"/", "", ""); status != 200 {
		t.Errorf("a page is %d", status)
	}
	open := 0
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			open++
		}
		if open > s.limits.perPeer {
			t.Fatalf("more than %d are still open", s.limits.perPeer)
		}
	}
}

// Each of these connections is busy, so that none can be closed for another.
func TestHealthIsAnsweredWhileEveryConnectionIsBusyWithAPage(t *testing.T) {
	release := make(chan struct{})
	var busy sync.WaitGroup
	s := crowded(t, func(o *Options, l *limits) {
		busy.Add(l.perPeer)
		o.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { busy.Done(); <-release })
	})
	defer close(release)
	for range s.limits.perPeer {
		_, _ = io.WriteString(dial(t, s), "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	busy.Wait()
	for range 3 * spareOf(s.limits.connections) {
		if status := upstreamStateOf(t, s); status != 200 {
			t.Fatalf("health is %d", status)
		}
	}
	c := &http.Client{Transport: &http.Transport{}}
	if status, answer := call(t, c, "GET", "http://"+s.Addr()+"/", "", ""); status != 503 {
		t.Errorf("a page is %d %s", status, answer)
	}
}

// Beside those that are held, one is in the making, which takes a few times its size.
func TestStreamsOfOneConnectionThatAreNotReadHoldFewAnswers(t *testing.T) {
	const size, streams = 4 << 20, 200
	a := newAuthority(t)
	a.issue(t, "server")
	s := crowded(t, func(o *Options, l *limits) {
		l.pace = answers.Pace{Piece: time.Hour, Pressed: time.Hour, Whole: time.Hour, Wait: time.Hour}
		o.WebConfigFile = filepath.Join(a.dir, "web.yml")
		writeFile(t, o.WebConfigFile, "tls_server_config: {cert_file: server.pem, key_file: server.key}\n")
		d := newDaemon()
		for len(d.slots) < 200 {
			d.slots = append(d.slots, d.slots[0])
			d.slots[len(d.slots)-1].Note = string(make([]byte, size/200/6)) // each byte is six in JSON
		}
		o.Daemon = d
	})
	before := heapInUse()
	config := &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, HTTP2: &http.HTTP2Config{
		MaxReceiveBufferPerStream: 1 << 16, StrictMaxConcurrentRequests: true,
	}}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	began := make(chan int, streams)
	for range streams {
		go func() {
			r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addr()+"/api/v1/slots", http.NoBody))
			resp, err := c.Do(r)
			if err != nil {
				return
			}
			began <- resp.ProtoMajor
			<-t.Context().Done() // and is not read
			_ = resp.Body.Close()
		}()
	}
	if major := <-began; major != 2 {
		t.Fatalf("it is HTTP/%d", major)
	}
	for range 5 {
		if held := heapInUse() - before; held > (int64(s.limits.lists)+8)*size {
			t.Fatalf("%d streams hold %d MB, with answers of %d MB", streams, held>>20, size>>20)
		}
		wait(t.Context(), 100*time.Millisecond)
	}
	if len(began) >= s.limits.streams {
		t.Errorf("%d streams are answered at once", len(began)+1)
	}
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
