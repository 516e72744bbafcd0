package packages

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

var folder = flag.String("packages", "", "folder of the packages of the versions 1.0.0 and 1.1.0")

const (
	account  = "023e105f4ecef8ad9ca31a8372d0c353"
	relay    = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
	apiToken = "the-api-token-of-the-tests"
	delivery = "/var/lib/moq/live-main/subscribe.token"
	config   = "/etc/rotatord/config.yaml"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *folder == "" {
		fmt.Fprintln(os.Stderr, "without -packages there is nothing to test: see `make test-packages`")
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// bring puts the package of a version and a kind (deb, rpm) on a machine, and returns its path there.
func (m *machine) bring(t *testing.T, version, kind string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(*folder, "rotatord?"+version+"?*."+kind))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s holds the packages %q of version %s, want one (%v)", *folder, found, version, err)
	}
	name := filepath.Base(found[0])
	check(t, exec.Command("cp", found[0], filepath.Join(m.shared, name)).Run())
	return "/mnt/" + name
}

// isInPlace tells whether what the package brings is there, and belongs to whom it should.
func (m *machine) isInPlace(t *testing.T) {
	t.Helper()
	for path, want := range map[string]string{
		"/usr/bin/rotatord":                                    "-rwxr-xr-x root root",
		"/usr/lib/systemd/system/rotatord.service":             "-rw-r--r-- root root",
		"/usr/lib/sysusers.d/rotatord.conf":                    "-rw-r--r-- root root",
		"/usr/lib/tmpfiles.d/rotatord.conf":                    "-rw-r--r-- root root",
		"/usr/share/man/man1/rotatord.1.gz":                    "-rw-r--r-- root root",
		"/usr/share/bash-completion/completions/rotatord":      "-rw-r--r-- root root",
		"/usr/share/fish/vendor_completions.d/rotatord.fish":   "-rw-r--r-- root root",
		"/usr/share/doc/rotatord/examples/config.example.yaml": "-rw-r--r-- root root",
		"/etc/rotatord": "drwxr-x--- root rotatord",
		config:          "-rw-r----- root rotatord",
		"/var/lib/moq":  "drwxr-x--x rotatord rotatord",
	} {
		m.is(t, path, want)
	}
	m.isGone(t, "/var/lib/rotatord", "/usr/local/bin/rotatord")
	m.fails(t, "accounts.main.account_id", "rotatord", "check")
	m.fails(t, "relays.live-main.id", "rotatord", "check")
	m.run(t, "rotatord", "-c", "/usr/share/doc/rotatord/examples/config.example.yaml", "check")
}

func (m *machine) hasVersion(t *testing.T, want string) {
	t.Helper()
	if out := m.run(t, "rotatord", "version"); !strings.Contains(out, want) {
		t.Errorf("not version %s: %s", want, out)
	}
}

// cloudflare serves a simulated one to the machines, and returns its address.
func cloudflare(t *testing.T) (*cfsim.Sim, string) {
	t.Helper()
	sim := cfsim.New(cfsim.Options{})
	sim.AddAccount(account, cfsim.Both)
	sim.AddAPIToken(apiToken, cfsim.Edit, account)
	sim.AddRelay(account, relay, "live-main")
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, server.URL + cfsim.BasePath
}

// fillIn does what the head of the configuration says, and returns what it then is.
func (m *machine) fillIn(t *testing.T, api string) string {
	t.Helper()
	text := m.run(t, "cat", config)
	text = strings.Replace(text, `account_id: ""`, "account_id: "+account+"\n    api_url: "+api, 1)
	text = strings.Replace(text, `id: ""`, "id: "+relay, 1)
	text = strings.Replace(text, "defaults:\n", "defaults:\n  settle: 0s\n", 1) + "server: {listen: \"\"}\n"
	m.write(t, config, text)
	m.write(t, "/etc/rotatord/cloudflare-api-token", apiToken+"\n")
	m.run(t, "rotatord", "check")
	return text
}

// isInForce tells whether the service runs, and what it delivered is what Cloudflare accepts.
func (m *machine) isInForce(t *testing.T, sim *cfsim.Sim) {
	t.Helper()
	m.run(t, "systemctl", "is-active", "rotatord")
	m.run(t, "rotatord", "rotate", "live-main/subscribe")
	if value := m.run(t, "cat", delivery); !sim.Accepts(relay, value) {
		t.Error("what was delivered is not a token that Cloudflare accepts")
	}
	m.is(t, delivery, "-rw-r----- rotatord rotatord")
	m.is(t, "/var/lib/rotatord", "drwx------ rotatord rotatord")
}

// reloads tells whether systemctl says what came of a reload.
func (m *machine) reloads(t *testing.T, text string) {
	t.Helper()
	before := m.process(t)
	m.write(t, config, text+"relais: {}\n")
	m.fails(t, "failed", "systemctl", "reload", "rotatord")
	m.write(t, config, text+"log: {level: debug}\n")
	m.run(t, "systemctl", "reload", "rotatord")
	m.write(t, config, text)
	m.run(t, "systemctl", "reload", "rotatord")
	if after := m.process(t); after != before {
		t.Errorf("process %s became %s in a reload", before, after)
	}
	if out := m.run(t, "journalctl", "-u", "rotatord"); !strings.Contains(out, "relais") {
		t.Errorf("the journal does not say what was wrong with the file:\n%s", out)
	}
}

func (m *machine) process(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(m.run(t, "systemctl", "show", "-P", "MainPID", "rotatord"))
}

// hasRestarted tells whether an upgrade put the new program into force, and kept the rest.
func (m *machine) hasRestarted(t *testing.T, before, text, version string) {
	t.Helper()
	m.hasVersion(t, version)
	m.run(t, "systemctl", "is-active", "rotatord")
	if after := m.process(t); after == before {
		t.Errorf("process %s is that of the former version", after)
	}
	if got := m.run(t, "cat", config); got != text {
		t.Errorf("the configuration is not as it was left:\n%s", got)
	}
	m.is(t, config, "-rw-r----- root rotatord")
}

// isOff tells whether the service neither runs nor would at the next start of the machine.
func (m *machine) isOff(t *testing.T) {
	t.Helper()
	for _, ask := range []string{"is-active", "is-enabled"} {
		if out, err := m.try("systemctl", ask, "rotatord"); err == nil {
			t.Errorf("systemctl %s: %s", ask, out)
		}
	}
}

// isSound tells what systemd thinks of the unit as it was installed.
func (m *machine) isSound(t *testing.T) {
	t.Helper()
	if out := m.run(t, "systemd-analyze", "verify", "rotatord.service"); strings.Contains(out, "rotatord.service") {
		t.Errorf("systemd-analyze verify complains:\n%s", out)
	}
	m.run(t, "systemd-analyze", "security", "--threshold=20", "rotatord.service")
}

// doAsWritten runs the commands of a section of docs/operations.md.
func (m *machine) doAsWritten(t *testing.T, section string) {
	t.Helper()
	commands := shownCommands(t, "docs/operations.md", section)
	if len(commands) < 3 {
		t.Fatalf("the section %q of the page has the commands %q alone", section, commands)
	}
	m.run(t, "sh", "-ec", "cd /root\n"+strings.Join(commands, "\n"))
}
