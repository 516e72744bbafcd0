package packages

import "testing"

// rpm calls rpm, which on Debian knows nothing of what else is installed.
func (m *machine) rpm(t *testing.T, args ...string) {
	t.Helper()
	m.run(t, "rpm", append([]string{"--force-debian", "--nodeps"}, args...)...)
}

func TestAnRPMIsInstalledUpgradedAndRemovedUnderSystemd(t *testing.T) {
	m := boot(t, systemd)
	former, next := m.bring(t, "1.0.0", "rpm"), m.bring(t, "1.1.0", "rpm")
	m.rpm(t, "--install", former)
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
	m.rpm(t, "--upgrade", next)
	m.hasRestarted(t, before, text, "1.1.0")
	before = m.process(t)
	m.rpm(t, "--upgrade", "--oldpackage", former)
	m.hasRestarted(t, before, text, "1.0.0")
	m.isInForce(t, sim)
	m.run(t, "systemctl", "stop", "rotatord")
	m.rpm(t, "--upgrade", next)
	m.fails(t, "inactive", "systemctl", "is-active", "rotatord")
	m.run(t, "systemctl", "start", "rotatord")

	m.run(t, "rpm", "--force-debian", "--erase", "rotatord")
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
