package harness

import (
	"io"
	"net"
	"testing"
)

// OpenUnread asks for a path at the server of an address, begins to read its answer, and reads no more of
// it until the test ends.
func OpenUnread(t testing.TB, addr, path string) {
	t.Helper()
	if _, err := SendUnread(t, addr, path).Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// SendUnread asks for a path at the server of an address, and leaves it to the test whether the answer is read.
func SendUnread(t testing.TB, addr, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}
