package packages

import "testing"

func TestADebIsInstalledUpgradedRemovedAndPurgedUnderSystemd(t *testing.T) {
	m := boot(t, systemd)
	former, next := m.bring(t, "1.0.0", "deb"), m.bring(t, "1.1.0", "deb")
	m.run(t, "dpkg", "-i", former)
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
	m.run(t, "dpkg", "-i", next)
	m.hasRestarted(t, before, text, "1.1.0")
	before = m.process(t)
	m.run(t, "dpkg", "-i", former)
	m.hasRestarted(t, before, text, "1.0.0")
	m.doAsWritten(t, "Backup")
	m.isInForce(t, sim)
	m.run(t, "systemctl", "stop", "rotatord")
	m.run(t, "dpkg", "-i", next)
	m.fails(t, "inactive", "systemctl", "is-active", "rotatord")
	m.run(t, "systemctl", "start", "rotatord")

	m.run(t, "dpkg", "--remove", "rotatord")
	m.isOff(t)
	m.isGone(t, "/usr/bin/rotatord", "/usr/lib/systemd/system/rotatord.service", "/run/rotatord")
	m.is(t, config, "-rw-r----- root rotatord")
	m.is(t, "/var/lib/rotatord", "drwx------ rotatord rotatord")
	m.run(t, "dpkg", "--purge", "rotatord")
	m.isGone(t, "/etc/rotatord", "/var/lib/rotatord")
	m.is(t, delivery, "-rw-r----- rotatord rotatord") // consumers may still read it
}

func TestADebIsInstalledAndPurgedWhereNoSystemdRuns(t *testing.T) {
	m := boot(t, nothing)
	m.run(t, "dpkg", "-i", m.bring(t, "1.0.0", "deb"))
	m.isInPlace(t)
	m.run(t, "dpkg", "-i", m.bring(t, "1.1.0", "deb"))
	m.hasVersion(t, "1.1.0")
	m.run(t, "dpkg", "--purge", "rotatord")
	m.isGone(t, "/usr/bin/rotatord", "/etc/rotatord")
}
