package etcdjournal

import (
	"net"
	"strings"
	"time"
)

// alertedConn says why the other side has closed it. A server that refuses a client's certificate says so in an alert, and
// closes; a client that writes then learns of the end alone, mostly, and what was said is left unread.
type alertedConn struct{ net.Conn }

// alertTime is how long what was said before the end may take to be read: it is there already.
const alertTime = time.Second

// Write returns the alert that came before the connection ended, if there is one.
func (c alertedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err == nil {
		return n, nil
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(alertTime))
	if _, alert := c.Conn.Read(make([]byte, 1)); alert != nil && strings.Contains(alert.Error(), "remote error: tls:") {
		err = alert
	}
	return n, err
}
