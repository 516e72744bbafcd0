package sinks

import "net"

// IsLoopback reports whether a URL's host name stays on this machine, so that
// plain http to it shows nothing to the network.
func IsLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
