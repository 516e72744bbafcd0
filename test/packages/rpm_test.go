package packages

import (
	"strings"
	"testing"
)

// rpm calls rpm, which on Debian knows nothing of what else is installed.
func (m *machine) rpm(t *testing.T, args ...string) {
	t.Helper()
	m.run(t, "rpm", append([]string{"--force-debian", "--nodeps"}, args...)...)
}

// haveSystemd tells rpm that the machine's systemd is there.
func (m *machine) haveSystemd(t *testing.T) {
	t.Helper()
	const spec = "/root/systemd.spec"
	m.write(t, spec, "Name: systemd\nVersion: 1\nRelease: 1\nSummary: Debian's\nLicense: none\nBuildArch: noarch\n%description\n%files\n")
	m.run(t, "rpmbuild", "-bb", "--define", "_rpmdir /root", spec)
	m.rpm(t, "--install", "/root/noarch/systemd-1-1.noarch.rpm")
}

// dnf installs, or downgrades to, a package, with the command that README.md shows, but for the file's name.
func (m *machine) dnf(t *testing.T, verb, file string) {
	t.Helper()
	shown := shownFor(t, `# or: (dnf install \./rotatord-\*\.x86_64\.rpm)\n`)
	command := strings.NewReplacer("dnf install", "dnf "+verb, "./rotatord-*.x86_64.rpm", file).Replace(shown)
	m.run(t, "sh", "-ec", "echo y | "+command)
}

func TestAnRPMIsInstalledUpgradedAndRemovedUnderSystemd(t *testing.T) {
	m := boot(t, systemd)
	m.haveSystemd(t)
	former, next := m.bring(t, "1.0.0", "rpm"), m.bring(t, "1.1.0", "rpm")
	m.dnf(t, "install", former)
	m.isInPlace(t)
	m.hasVersion(t, "1.0.0")
	m.isOff(t)
	m.isSound(t)

	sim, api := cloudflare(t)
	text := m.fillIn(t, api)
	m.run(t, "systemctl", "enable", "--now", "rotatord")
	m.isInForce(t, sim)
	m.reloads(t, text)

	before := m.process(t)
	m.dnf(t, "install", next)
	m.hasRestarted(t, before, text, "1.1.0")
	before = m.process(t)
	m.dnf(t, "downgrade", former)
	m.hasRestarted(t, before, text, "1.0.0")
	m.isInForce(t, sim)
	m.run(t, "systemctl", "stop", "rotatord")
	m.dnf(t, "install", next)
	m.fails(t, "inactive", "systemctl", "is-active", "rotatord")
	m.run(t, "systemctl", "start", "rotatord")

	m.run(t, "dnf", "-y", "remove", "rotatord")
	m.isOff(t)
	m.isGone(t, "/usr/bin/rotatord", "/usr/lib/systemd/system/rotatord.service", "/run/rotatord", config)
	m.is(t, config+".rpmsave", "-rw-r----- root rotatord")
	m.is(t, "/var/lib/rotatord", "drwx------ rotatord rotatord")
}

func TestAnRPMIsInstalledAndRemovedWhereNoSystemdRuns(t *testing.T) {
	m := boot(t, nothing)
	m.rpm(t, "--install", m.bring(t, "1.0.0", "rpm"))
	m.isInPlace(t)
	m.rpm(t, "--upgrade", m.bring(t, "1.1.0", "rpm"))
	m.hasVersion(t, "1.1.0")
	m.run(t, "rpm", "--force-debian", "--erase", "rotatord")
	m.isGone(t, "/usr/bin/rotatord", config)
}
