package config

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/internal/fault"
)

// DefaultAdminSocket is where the daemon is reached when the configuration names no other socket.
const DefaultAdminSocket = "/run/rotatord/admin.sock"

// FindAdminSocket returns what a file names as server.admin_socket, whatever else is wrong with it; "" where it
// names none. The error says why the file does not tell.
func FindAdminSocket(file string) (socket string, err error) {
	data, err := readBounded(file)
	if err != nil {
		return "", fault.Newf(fault.Permanent, fault.Invalid, "", file, "%w", cause(err))
	}
	socket, known := adminSocketAlone(data)
	if !known {
		if socket, err = adminSocketOfAll(file, data); err != nil {
			return "", err
		}
	}
	if text, _ := wrongSocket(socket); socket != "" && text != "" {
		return "", fmt.Errorf("%s: server.admin_socket %s", file, text)
	}
	return socket, nil
}

// adminSocketAlone looks at the block of server and at nothing else: most of a large fleet's file is relays, and
// those of a broken one may not be YAML. known is false where the block does not tell.
func adminSocketAlone(data []byte) (socket string, known bool) {
	block := topLevelBlock(data, "server")
	if block == nil {
		return "", false
	}
	doc, err := readDocument(block)
	if err != nil {
		return "", false
	}
	return doc.adminSocket()
}

func adminSocketOfAll(file string, data []byte) (string, error) {
	doc, err := readDocument(data)
	if wrong := asSyntaxError(err); wrong != nil {
		return "", fmt.Errorf("%s:%d:%d: %s", file, max(wrong.line, 1), max(wrong.column, 1), wrong.text)
	}
	socket, known := doc.adminSocket()
	if !known {
		return "", fmt.Errorf("%s: server.admin_socket is no path", file)
	}
	return socket, nil
}

// adminSocket looks server.admin_socket up; known is false where something stands there that cannot be read.
func (d *document) adminSocket() (socket string, known bool) {
	known = true
	unreadable := func(*yaml.Node, string, string, string) { known = false }
	n := d.root
	for _, key := range []string{"server", "admin_socket"} {
		if n.Kind != yaml.MappingNode {
			return "", n.Tag == tagNull
		}
		e, ok := lookUp(d.entries(n, unreadable), key)
		if !ok {
			return "", known
		}
		if n = d.followAlias(e.value, unreadable); n == nil {
			return "", false
		}
	}
	socket, ok := scalarText(n)
	return socket, ok || n.Tag == tagNull
}

// topLevelBlock returns the lines of a key at the left edge, up to the next thing that stands there.
func topLevelBlock(data []byte, key string) []byte {
	var block []byte
	for line := range bytes.Lines(data) {
		switch {
		case block == nil && isKey(line, key):
			block = line[:len(line):len(line)]
		case block != nil && startsAnother(line):
			return block
		case block != nil:
			block = append(block, line...)
		}
	}
	return block
}

func isKey(line []byte, key string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(key+":"))
	return ok && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0)
}

// startsAnother reports whether a line belongs to no block above it.
func startsAnother(line []byte) bool { return strings.IndexByte(" \t\r\n#}]", line[0]) < 0 }
