package soak

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

// strike is one thing that is done to replicas or to what they need.
type strike struct {
	name string
	// hit does it to the leader. What it returns mends it, once another one leads, or a while has passed.
	hit func(g *replicas, leader *replica) (mend func())
	// anybody may lead afterwards; else it is another one.
	anybody bool
	// polite: from when the leader resigned that time counts.
	polite bool
	// figure: the time to the next leader's first call is told.
	figure bool
}

// strikes are all that a run has.
func strikes() []strike {
	return []strike{
		{name: "the leader is killed", figure: true, hit: (*replicas).killIt},
		{name: "the leader is stopped politely", figure: true, polite: true, hit: (*replicas).stopIt},
		{name: "the leader stands still for longer than its lease", figure: true, hit: (*replicas).freezeIt},
		{name: "the leader is parted from etcd", figure: true, hit: partIt(harness.Both, etcdServer)},
		{name: "the leader's requests do not reach etcd", hit: partIt(harness.Requests, etcdServer)},
		{name: "etcd's answers do not reach the leader", hit: partIt(harness.Answers, etcdServer)},
		{name: "etcd's leader is lost with ours", figure: true, hit: (*replicas).killBoth},
		{name: "the leader is parted from all but etcd", anybody: true, hit: partIt(harness.Both, cloudflareServer, vaultServer, awsServer)},
		{name: "Cloudflare's answers do not reach the leader", anybody: true, hit: partIt(harness.Answers, cloudflareServer)},
		{name: "etcd is restarted, member by member", anybody: true, hit: (*replicas).restartEtcd},
		{name: "all replicas are restarted, one by one", anybody: true, hit: (*replicas).restartAll},
		{name: "etcd has no majority", anybody: true, hit: (*replicas).killMajority},
		{name: "etcd stands still", anybody: true, hit: (*replicas).freezeEtcd},
		{name: "a clock is set wrong, and the leader killed", hit: (*replicas).misleadAndKill},
	}
}

func (g *replicas) killIt(leader *replica) (mend func()) {
	g.kill(leader)
	return func() { g.launch(leader) }
}

func (g *replicas) stopIt(leader *replica) (mend func()) {
	g.stop(leader)
	return func() { g.launch(leader) }
}

func (g *replicas) freezeIt(leader *replica) (mend func()) {
	g.freeze(leader)
	return func() { g.thaw(leader) }
}

func partIt(lost harness.Lost, servers ...string) func(g *replicas, leader *replica) (mend func()) {
	return func(g *replicas, leader *replica) func() {
		g.part(leader, lost, servers...)
		return func() { g.join(leader) }
	}
}

func (g *replicas) killBoth(leader *replica) (mend func()) {
	member := g.etcd.Leader(g)
	g.note("etcd's leader %s is killed", member.Endpoint)
	member.Kill()
	g.kill(leader)
	return func() {
		member.Run(g)
		g.launch(leader)
	}
}

func (g *replicas) restartEtcd(*replica) (mend func()) {
	for _, m := range g.etcd.Members {
		g.note("etcd's member %s is restarted", m.Endpoint)
		m.Kill()
		harness.Pause(g.Context(), time.Second)
		m.Run(g)
		harness.Pause(g.Context(), time.Second)
	}
	return func() {}
}

func (g *replicas) restartAll(leader *replica) (mend func()) {
	others := slices.DeleteFunc(slices.Clone(g.all), func(r *replica) bool { return r == leader })
	for _, r := range append(others, leader) {
		if r.daemon == nil {
			continue
		}
		g.stop(r)
		g.launch(r)
		g.untilReady(r)
	}
	return func() {}
}

// killMajority leaves one member, which can take nothing.
func (g *replicas) killMajority(*replica) (mend func()) {
	lost := g.etcd.Members[:2]
	g.note("etcd's members %s and %s are killed", lost[0].Endpoint, lost[1].Endpoint)
	for _, m := range lost {
		m.Kill()
	}
	harness.Pause(g.Context(), leaseTTL+time.Second)
	return func() {
		for _, m := range lost {
			m.Run(g)
		}
	}
}

// freezeEtcd has all its members stand still for longer than a lease.
func (g *replicas) freezeEtcd(*replica) (mend func()) {
	g.note("etcd stands still")
	for _, m := range g.etcd.Members {
		m.Freeze(g)
	}
	harness.Pause(g.Context(), leaseTTL+time.Second)
	return func() {
		g.note("etcd goes on")
		for _, m := range g.etcd.Members {
			m.Thaw(g)
		}
	}
}

// misleadAndKill sets the clocks of all the others wrong: one of them leads next.
func (g *replicas) misleadAndKill(leader *replica) (mend func()) {
	for i, r := range g.all {
		if r != leader {
			g.setClock(r, []time.Duration{3 * time.Hour, -time.Hour}[i%2])
		}
	}
	g.kill(leader)
	return func() {
		g.launch(leader)
		harness.Pause(g.Context(), 2*time.Second)
		for _, r := range g.all {
			g.setClock(r, 0)
		}
	}
}
