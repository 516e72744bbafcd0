package e2e

import "github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"

// Two replicas: their etcd goes away while they differ; then one is given a place of its own in it, and dies.
func replicaAlerts(j *job) {
	etcd := etcdtest.Start(j.t, 1)
	one := j.world(1)
	one.shareEtcd(etcd)
	other := one.replica()
	s, its := settings{Disk: ", shared: true", Listen: j.listen()}, settings{Disk: ", shared: true", Listen: j.listenAt(j.name, 1)}
	one.configure(s)
	one.start()
	other.configure(its)
	d := other.start()

	differing := its
	differing.Defaults = "{schedule: manual, initial: schedule, grace: 2h, sinks: [disk]}"
	other.configure(differing)
	d.rotatord("reload").Expect(j.t, 0)
	etcd.Members[0].Kill()
	j.fires("MoQNoLeader", "MoQReplicasDiffer", "MoQStandbyBehind")
	etcd.Members[0].Run(j.t)
	other.configure(its)
	d.rotatord("reload").Expect(j.t, 0)
	j.end("MoQNoLeader", "MoQReplicasDiffer", "MoQStandbyBehind")

	d.stop()
	other.etcd, other.files = one.etcd+", prefix: /another", other.Path("tokens")
	other.configure(its)
	d = other.start()
	j.fires("MoQTwoLeaders")
	d.Kill()
	j.fires("MoQReplicaDown")
	other.etcd, other.files = one.etcd, one.files
	other.configure(its)
	other.start()
	j.end("MoQTwoLeaders", "MoQReplicaDown")
}
