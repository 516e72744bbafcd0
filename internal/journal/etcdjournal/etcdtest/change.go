package etcdtest

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Replace has another member with no data take one's place, at the same addresses: a machine that was made anew. The
// former one is removed while it runs.
func (c *Cluster) Replace(t testing.TB, m *Member) {
	t.Helper()
	c.leave(t, m)
	former := c.idOf(t, m)
	persist(t, rpctypes.ErrMemberNotFound, func(ctx context.Context) error {
		_, err := c.Client.MemberRemove(ctx, former)
		return err
	})
	m.process.Wait()
	m.process = nil
	persist(t, rpctypes.ErrPeerURLExist, func(ctx context.Context) error {
		_, err := c.Client.MemberAdd(ctx, []string{m.settings.Peer})
		return err
	})
	m.settings.Name += "n"
	m.settings.Folder, m.settings.Joins, m.settings.Cluster = filepath.Join(t.TempDir(), "etcd"), true, c.names()
	m.Run(t)
}

// leave has a member that leads hand that over to another one.
func (c *Cluster) leave(t testing.TB, m *Member) {
	t.Helper()
	if c.Leader(t) != m {
		return
	}
	next := c.Members[0]
	if next == m {
		next = c.Members[1]
	}
	direct := (&Cluster{Members: []*Member{m}, trust: c.trust}).connect(t)
	id := c.idOf(t, next)
	persist(t, rpctypes.ErrNotLeader, func(ctx context.Context) error {
		_, err := direct.MoveLeader(ctx, id)
		return err
	})
}

// persist does what etcd may refuse while its members have not been together for a while. done is what it says of what it
// has done before, though it did not say so.
func persist(t testing.TB, done error, do func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		call, end := context.WithTimeout(ctx, callTime)
		err := do(call)
		end()
		switch {
		case err == nil || errors.Is(err, done):
			return
		case ctx.Err() != nil:
			t.Fatal(err)
		}
		<-time.After(100 * time.Millisecond)
	}
}

const callTime = 5 * time.Second

func (c *Cluster) idOf(t testing.TB, m *Member) uint64 {
	t.Helper()
	all, err := c.Client.MemberList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range all.Members {
		if known.Name == m.settings.Name {
			return known.ID
		}
	}
	t.Fatalf("etcd knows of no member %s", m.settings.Name)
	return 0
}

// filler is the key that fills an etcd.
const filler = "filler"

// Fill writes until etcd takes no more, and calls each time that it took something.
func (c *Cluster) Fill(t testing.TB, written func()) {
	t.Helper()
	for {
		_, err := c.Client.Put(t.Context(), filler, strings.Repeat("x", 512<<10))
		switch {
		case errors.Is(err, rpctypes.ErrNoSpace):
			return
		case err != nil:
			t.Fatal(err)
		}
		written()
	}
}

// MakeRoom does what a person does for an etcd that is full: compacts and defragments it, and takes its alarm back.
func (c *Cluster) MakeRoom(t testing.TB) {
	t.Helper()
	answer, err := c.Client.Get(t.Context(), filler)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Client.Compact(t.Context(), answer.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Members {
		if _, err := c.Client.Defragment(t.Context(), m.Endpoint); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Client.AlarmDisarm(t.Context(), &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
}

// Move has every member listen for clients at another address, and at the former one no more.
func (c *Cluster) Move(t testing.TB) {
	t.Helper()
	for _, m := range c.Members {
		m.Kill()
		host, port, _ := net.SplitHostPort(strings.TrimPrefix(m.settings.Client, "http://"))
		m.settings.Client = "http://" + net.JoinHostPort(host+"0", port)
		m.Endpoint = m.settings.Client
		m.Run(t)
	}
	c.Client.SetEndpoints(c.Endpoints()...)
	c.await(t)
}
