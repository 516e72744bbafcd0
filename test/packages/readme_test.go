package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// To the letter, but for ids, addresses, and the minutes that alerts wait.
func TestWhoFollowsTheReadmeGetsFromThePackageToAnAlertAndBackToGreen(t *testing.T) {
	m := boot(t, systemd)
	prometheus, listen := m.startPrometheus(t), freeAddress(t)
	sim, api := cloudflare(t)
	m.bring(t, "1.0.0", "deb")
	g := m.follow(t, "Install as a package", "/mnt")
	g.types(t, "apt install ./rotatord_*", "")
	g.types(t, "install -m 0600 /dev/stdin", apiToken)
	text := strings.Replace(m.fillIn(t, api), `listen: ""`, "listen: "+listen, 1)
	m.write(t, config, text)
	g.types(t, "rotatord check", "")
	g.types(t, "CREDENTIALS_DIRECTORY=/etc/rotatord rotatord check --online", "")
	g.types(t, "systemctl enable --now rotatord", "")
	g.types(t, "rotatord status", "")
	m.isInForce(t, sim)
	m.isReadBy(t, delivery, "viewer")
	g.types(t, "cp /usr/share/doc/", "")
	g.isAtItsEnd(t)

	m.hasten(t)
	setUp := regexp.MustCompile(`(?m)^   `).ReplaceAllString(shownFor(t, "(?s) ```yaml\n( +rule_files:.*?)   ```"), "")
	m.write(t, "/etc/prometheus/prometheus.yml", "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"+strings.Replace(setUp, "localhost:9476", listen, 1))
	m.run(t, "sh", "-c", shownFor(t, "then `(systemctl reload prometheus)`"))
	untilQuery(t, prometheus, `up{job="rotatord"} == 1`, 1)
	untilQuery(t, prometheus, `ALERTS`, 0)

	m.write(t, config, text+"relais: {}\n")
	m.fails(t, "relais", "rotatord", "reload")
	untilQuery(t, prometheus, `ALERTS{alertname="MoQReloadFailed", alertstate="firing"}`, 1)
	m.fails(t, "relais", "rotatord", "check")
	m.write(t, config, text)
	m.run(t, "rotatord", "reload")
	untilQuery(t, prometheus, `ALERTS`, 0)

	m.run(t, "sh", "-ec", "rm -r /var/lib/moq; systemd-tmpfiles --create rotatord.conf")
	m.fails(t, "restart rotatord", "rotatord", "rotate", "live-main/subscribe")
	untilQuery(t, prometheus, `ALERTS{alertname="MoQTargetUnhealthy", alertstate="firing"}`, 1)
	m.run(t, "systemctl", "restart", "rotatord")
	untilQuery(t, prometheus, `ALERTS{severity!="info"}`, 0)
	m.run(t, "rotatord", "status", "--check")
}

func TestWhoFollowsTheReadmeBuildsFromSourceAndRunsIt(t *testing.T) {
	m := boot(t, systemd)
	clone(t, filepath.Join(m.shared, "rotatord"))
	g := m.follow(t, "Install from source", "/mnt/rotatord")
	g.types(t, "make install", "")
	g.types(t, "systemd-sysusers rotatord.conf", "")
	g.types(t, "systemd-tmpfiles --create rotatord.conf", "")
	g.types(t, "systemctl daemon-reload", "")
	g.types(t, "install -m 0640 -g rotatord", "")
	g.isAtItsEnd(t)
	sim, api := cloudflare(t)
	m.fillIn(t, api)
	m.run(t, "systemctl", "enable", "--now", "rotatord")
	m.isInForce(t, sim)
	m.is(t, config, "-rw-r----- root rotatord")
}

// clone stands in for that of the public repository; what is not committed is not in it.
func clone(t *testing.T, folder string) {
	t.Helper()
	if out, err := exec.Command("git", "clone", "--quiet", "--no-hardlinks", "../..", folder).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
}

// guide is a section of README.md that is followed on a machine, in a folder there.
type guide struct {
	*machine
	folder   string
	commands []string
}

func (m *machine) follow(t *testing.T, section, folder string) *guide {
	t.Helper()
	return &guide{m, folder, shownCommands(t, "README.md", section)}
}

// types runs the next command that is shown, whose beginning the test knows, and has it read a line.
func (g *guide) types(t *testing.T, beginning, line string) {
	t.Helper()
	if len(g.commands) == 0 || !strings.HasPrefix(g.commands[0], beginning) {
		t.Fatalf("`%s` is to come next, not %q", beginning, g.commands)
	}
	command := strings.ReplaceAll(g.commands[0], "_amd64.", "_"+runtime.GOARCH+".")
	g.commands = g.commands[1:]
	tools, err := exec.LookPath("go")
	check(t, err)
	g.run(t, "sh", "-ec", `PATH="$PATH:$1"; cd "$2"; echo "$3" | `+command, "sh", filepath.Dir(tools), g.folder, line)
}

func (g *guide) isAtItsEnd(t *testing.T) {
	t.Helper()
	if len(g.commands) > 0 {
		t.Errorf("the test does not follow README.md further: %q", g.commands)
	}
}

// shownCommands returns what a section of a document shows to be typed; its YAML is fenced.
func shownCommands(t *testing.T, file, section string) (commands []string) {
	t.Helper()
	page, err := os.ReadFile("../../" + file)
	check(t, err)
	_, text, _ := strings.Cut(string(page), "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	text = regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	for _, line := range regexp.MustCompile(`(?m)^(?: {4}| {7})(\S.*?)(?: +#.*)?$`).FindAllStringSubmatch(text, -1) {
		commands = append(commands, line[1])
	}
	return commands
}

// shownFor returns what README.md shows.
func shownFor(t *testing.T, pattern string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	check(t, err)
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		t.Fatalf("README.md shows nothing like %s", pattern)
	}
	return string(found[1])
}

// isReadBy tells whether a user reads a file once he is a member of the group rotatord.
func (m *machine) isReadBy(t *testing.T, path, user string) {
	t.Helper()
	m.run(t, "useradd", user)
	m.fails(t, "Permission denied", "runuser", "-u", user, "--", "cat", path)
	m.run(t, "usermod", "-aG", "rotatord", user)
	m.run(t, "runuser", "-u", user, "--", "cat", path)
}
