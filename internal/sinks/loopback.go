package sinks

import (
	"net"
	"net/url"
	"strconv"
)

// IsLoopback reports whether a URL's host name stays on this machine, so that
// plain http to it shows nothing to the network.
func IsLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// NamesHost reports whether an address says which machine it is of, and no port that none has.
func NamesHost(u *url.URL) bool {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Hostname() != "" && (u.Port() == "" || err == nil && port > 0)
}
