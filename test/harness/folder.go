package harness

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Folder is where one installation of rotatord lives.
type Folder struct {
	Dir string
	t   testing.TB
}

// NewFolder makes a folder with the API token in its file. It is removed when the
// test ends. Unlike t.TempDir's its path is short enough for a socket, and does not
// name the test.
func NewFolder(t testing.TB) *Folder {
	t.Helper()
	f := &Folder{Must[string](t)(os.MkdirTemp("", "harness-")), t}
	t.Cleanup(f.Remove)
	f.Put("api-token", APIToken+"\n")
	return f
}

// Within makes a folder in this one, for another installation.
func (f *Folder) Within(name string) *Folder {
	f.t.Helper()
	inner := &Folder{f.Path(name), f.t}
	inner.Put("api-token", APIToken+"\n")
	return inner
}

// Remove deletes the folder, before the test ends.
func (f *Folder) Remove() { _ = os.RemoveAll(f.Dir) }

// Path returns the path of what is called name in the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Socket returns the path of the admin socket.
func (f *Folder) Socket() string { return f.Path("admin.sock") }

// ConfigFile returns the path of the configuration.
func (f *Folder) ConfigFile() string { return f.Path("config.yaml") }

// Put writes a file, with its folder.
func (f *Folder) Put(name, text string) {
	f.t.Helper()
	Check(f.t, os.MkdirAll(filepath.Dir(f.Path(name)), 0o750))
	Check(f.t, os.WriteFile(f.Path(name), []byte(text), 0o600))
}

// Read returns what a file holds; "" when there is none.
func (f *Folder) Read(name string) string {
	b, _ := os.ReadFile(f.Path(name))
	return string(b)
}

// Config is a configuration, part by part, in YAML.
type Config struct {
	Top      string // whole top-level entries
	State    string // keys of the state; "": its path, in the folder
	NoTCP    bool   // listen at the admin socket alone, not at a port of loopback
	Listen   string // the listener's address; "": one of loopback that is free
	Server   string // more keys of the server, each after a comma
	APIURL   string // of Cloudflare
	Account  string // more keys of the account main, each after a comma
	Accounts string // more accounts, in lines
	Sinks    string // all sinks, in lines
	Defaults string // in braces; a token need not settle unless they say so, as the stand-in's relays know it at once
	Relays   string // in one line, or in lines of which the first is empty
}

// Configure writes the configuration.
func (f *Folder) Configure(c Config) {
	f.t.Helper()
	if c.State == "" {
		c.State = "path: " + f.Path("state")
	}
	listen := cmp.Or(c.Listen, "127.0.0.1:0")
	if c.NoTCP {
		listen = ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%sstate: {%s}\nserver: {listen: %q, admin_socket: %s%s}\n",
		c.Top, c.State, listen, f.Socket(), c.Server)
	fmt.Fprintf(&b, "accounts:\n  main: {account_id: %s, api_token: {file: %s}, api_url: %q%s}\n%s",
		AccountID, f.Path("api-token"), c.APIURL, c.Account, c.Accounts)
	fmt.Fprintf(&b, "sinks:\n%sdefaults: %s\nrelays:%s\n", c.Sinks, withoutSettling(c.Defaults), afterColon(c.Relays))
	f.Put("config.yaml.new", b.String()) // who reads it meanwhile finds the former one whole
	Check(f.t, os.Rename(f.Path("config.yaml.new"), f.ConfigFile()))
}

func withoutSettling(defaults string) string {
	if rest, ok := strings.CutPrefix(defaults, "{"); ok && !strings.Contains(defaults, "settle:") {
		return "{settle: 0s, " + rest
	}
	return defaults
}

func afterColon(text string) string {
	if strings.HasPrefix(text, "\n") {
		return text
	}
	return " " + text
}
