package daemon

import "os"

// warnOfRoot says that a process of root's is more than rotatord needs.
func (d *daemon) warnOfRoot() {
	if os.Geteuid() == 0 {
		d.log.Warn("rotatord runs as root, and needs no more than a user of its own: whoever finds a way in has this machine, " +
			"and who can change a folder of a file sink has root write there; set User= (systemd) or runAsUser (Kubernetes), " +
			"with CAP_CHOWN alone where files get an owner")
	}
}
