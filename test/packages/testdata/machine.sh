#!/bin/bash
# A machine of its own: the host's files below a layer of memory, with processes, mounts and control
# groups of its own. The network is the host's, which has the simulated Cloudflare.
#
#   machine.sh FOLDER systemd|nothing
#
# FOLDER/shared is /mnt there, with the socket that is told when it is up.
set -euo pipefail
folder=$1 init=$2

groups() { # the machine's own control group, so that what its systemd makes is not the host's
	mkdir -p "$folder/cgroup"
	mount -t cgroup2 cgroup2 "$folder/cgroup"
	mkdir -p "$folder/cgroup/rotatord-test-$$"
	echo $$ >"$folder/cgroup/rotatord-test-$$/cgroup.procs"
}

files() {
	mkdir -p "$folder/memory" "$root"
	mount -t tmpfs -o mode=0755 memory "$folder/memory"
	mkdir "$folder/memory/upper" "$folder/memory/work"
	mount -t overlay -o "lowerdir=/,upperdir=$folder/memory/upper,workdir=$folder/memory/work" overlay "$root"
	mount -t tmpfs -o mode=0755 run "$root/run"
	mount -t tmpfs -o mode=1777 tmp "$root/tmp"
	mount --bind "$folder/shared" "$root/mnt"
}

kernel() {
	mount -t proc proc "$root/proc"
	mount --bind "$root/proc/sys" "$root/proc/sys"
	mount -o remount,bind,ro "$root/proc/sys"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t tmpfs cgroup "$root/sys/fs/cgroup"
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
}

devices() {
	mount -t tmpfs -o mode=0755 dev "$root/dev"
	for device in null zero full random urandom tty; do
		touch "$root/dev/$device"
		mount --bind "/dev/$device" "$root/dev/$device"
	done
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
	mount -t tmpfs shm "$root/dev/shm"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
}

# Nothing of the host's services starts there, and no package's trigger reads through all manual pages.
services() {
	rm -rf "$root"/etc/systemd/system/*.wants "$root/var/lib/man-db/auto-update"
	printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$root/etc/systemd/system/machine.target"
}

root=$folder/root
if [ "${3:-}" != inside ]; then
	mount --make-rprivate /
	groups
	unshare --pid --fork --cgroup --uts --ipc --mount "$0" "$folder" "$init" inside || true
	echo $$ >"$folder/cgroup/cgroup.procs"
	find "$folder/cgroup/rotatord-test-$$" -depth -type d -exec rmdir {} +
	exit
fi
files
kernel
devices
services
cd "$root"
mkdir -p host
pivot_root . host
umount -l /host
mount --make-rshared / # as systemd finds it where it makes credentials
export PATH=/usr/sbin:/usr/bin:/sbin:/bin NOTIFY_SOCKET=/mnt/up
if [ "$init" = systemd ]; then
	exec env -i "PATH=$PATH" "NOTIFY_SOCKET=$NOTIFY_SOCKET" container=test \
		/lib/systemd/systemd --system --unit=machine.target </dev/null
fi
systemd-notify --ready --no-block
exec sleep infinity
