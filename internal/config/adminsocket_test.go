package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheAdminSocketIsFoundInAFileWhateverElseIsWrongWithIt(t *testing.T) {
	for name, c := range map[string]struct{ text, socket, says string }{
		"all is well":              {"server: {admin_socket: /x/s}\nrelays: {}\n", "/x/s", ""},
		"a block":                  {"log: {}\nserver:\n  listen: \"\"\n\n  # the way in\n  admin_socket: /x/s\nrelays: {}\n", "/x/s", ""},
		"flow over lines":          {"server: {\n  admin_socket: /x/s,\n}\nrelays: {}\n", "/x/s", ""},
		"quoted":                   {"server: {admin_socket: \"/x/\\u0073\"}\n", "/x/s", ""},
		"JSON":                     {`{"server": {"admin_socket": "/x/s"}}`, "/x/s", ""},
		"unknown keys":             {"server: {admin_socket: /x/s, lisen: 3}\nrelais: {}\n", "/x/s", ""},
		"no YAML behind it":        {"server: {admin_socket: /x/s}\ndefaults:\n\tschedule: @daily\n", "/x/s", ""},
		"no YAML before it":        {"defaults:\n  schedule: @daily\n  x: \"\nserver:\n  admin_socket: /x/s\n", "/x/s", ""},
		"no UTF-8 elsewhere":       {"instance: \xff\nserver: {admin_socket: /x/s}\n", "/x/s", ""},
		"an alias":                 {"x: &s /x/s\nserver: {admin_socket: *s}\n", "/x/s", ""},
		"a merge":                  {"x: &s {admin_socket: /x/s}\nserver: {<<: *s}\n", "/x/s", ""},
		"a merge that is gone":     {"server: {<<: *s}\n", "", "server.admin_socket is no path"},
		"indented as a whole":      {"  server:\n    admin_socket: /x/s\n", "/x/s", ""},
		"twice: the first counts":  {"server: {admin_socket: /x/s}\nserver: {admin_socket: /y/s}\n", "/x/s", ""},
		"another key of that name": {"servers: {}\nserver:\n  admin_socket: /x/s\n", "/x/s", ""},
		"none is named":            {"server: {listen: \"\"}\n", "", ""},
		"nothing is named":         {"server:\nrelays: {}\n", "", ""},
		"no server":                {"relays: {}\n", "", ""},
		"a mapping":                {"server: {admin_socket: {path: /x}}\n", "", "server.admin_socket is no path"},
		"a list of servers":        {"server: [/x/s]\n", "", "server.admin_socket is no path"},
		"too long":                 {"server: {admin_socket: /" + strings.Repeat("x", 120) + "}\n", "", "must be a path of at most 107 bytes"},
		"abstract":                 {"server: {admin_socket: \"@rotatord\"}\n", "", "an abstract socket has neither owner"},
		"no YAML, and no server":   {"a: b\n c: [\n", "", "config.yaml:2:3: "},
		"empty":                    {"", "", "the file is empty"},
	} {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		socket, err := FindAdminSocket(file)
		if socket != c.socket || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q, %v; want %q, %q", name, socket, err, c.socket, c.says)
		}
	}
}

func TestWhereTheAdminSocketIsCannotBeReadFromAFileThatIsNotThere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if _, err := FindAdminSocket(file); err == nil || err.Error() != file+": no such file or directory" {
		t.Error(err)
	}
}
