// Package etcdtest runs a real etcd on loopback for tests.
package etcdtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/test/servers"
)

const patience = 60 * time.Second

// Cluster is a running etcd. Its methods are not for concurrent use, except Client's result.
type Cluster struct {
	Members []*Member
	Client  *clientv3.Client // of all members, with no name

	trust *tls.Config
}

// Member is one of a cluster's processes. It keeps its folder and its address.
type Member struct {
	Endpoint string

	binary   string
	settings settings
	process  *servers.Process // nil while it does not run
}

type settings struct {
	Name     string `json:"name"`
	Folder   string `json:"folder"`
	Client   string `json:"client"`
	Peer     string `json:"peer"`
	Cluster  string `json:"cluster"`
	Joins    bool   `json:"joins,omitempty"`
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
	CAFile   string `json:"ca_file,omitempty"`
	Quota    int64  `json:"quota,omitempty"`
	Sync     bool   `json:"sync,omitempty"`
}

// Option changes how a cluster is started.
type Option func(*Cluster, *settings)

// Quota is how many bytes each member's database may have.
func Quota(bytes int64) Option { return func(_ *Cluster, s *settings) { s.Quota = bytes } }

// Sync has members write to the disk as in use, rather than to what outlives a kill of theirs alone.
func Sync() Option { return func(_ *Cluster, s *settings) { s.Sync = true } }

// TLS has members speak TLS with clients, which trust what was issued for each host.
func TLS(trust *tls.Config, issue func(host string) (certFile, keyFile string)) Option {
	return func(c *Cluster, s *settings) {
		c.trust = trust
		s.Client = "https" + strings.TrimPrefix(s.Client, "http")
		host, _, _ := net.SplitHostPort(strings.TrimPrefix(s.Client, "https://"))
		s.CertFile, s.KeyFile = issue(host)
	}
}

// ClientCerts has members that speak TLS demand certificates of an authority's, from the cluster's own client too.
func ClientCerts(caFile string) Option { return func(_ *Cluster, s *settings) { s.CAFile = caFile } }

// Start builds the server if need be, starts so many members on a loopback network of their own, and waits until they
// have a leader. They are stopped when the test ends. Any failure is fatal to the test.
func Start(t testing.TB, members int, options ...Option) *Cluster {
	t.Helper()
	binary, err := servers.Build("test/etcdserver")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{}
	network := fmt.Sprintf("127.%d.%d", 1+rand.IntN(250), rand.IntN(250)) // nobody else is likely to be there
	for n := range members {
		s := settings{
			Name: fmt.Sprint("m", n), Folder: filepath.Join(t.TempDir(), "etcd"),
			Client: fmt.Sprintf("http://%s.%d:22379", network, n+1), Peer: fmt.Sprintf("http://%s.%d:22380", network, n+1),
		}
		for _, o := range options {
			o(c, &s)
		}
		c.Members = append(c.Members, &Member{Endpoint: s.Client, binary: binary, settings: s})
	}
	for _, m := range c.Members {
		m.settings.Cluster = c.names()
		t.Cleanup(m.Kill)
		m.Run(t)
	}
	c.Client = c.connect(t)
	c.await(t)
	return c
}

// names says how members find each other.
func (c *Cluster) names() string {
	var all []string
	for _, m := range c.Members {
		all = append(all, m.settings.Name+"="+m.settings.Peer)
	}
	return strings.Join(all, ",")
}

// Endpoints are the addresses of all members.
func (c *Cluster) Endpoints() (list []string) {
	for _, m := range c.Members {
		list = append(list, m.Endpoint)
	}
	return list
}

func (c *Cluster) connect(t testing.TB) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), TLS: c.trust, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // before the members end
	return client
}

// await waits until the cluster answers.
func (c *Cluster) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := c.Client.Get(ctx, "some key"); err != nil {
		t.Fatalf("etcd has no leader: %v", err)
	}
}

// Leader returns the member that leads.
func (c *Cluster) Leader(t testing.TB) *Member {
	t.Helper()
	for _, m := range c.Members {
		if status, err := c.Client.Status(t.Context(), m.Endpoint); err == nil && status.Leader == status.Header.MemberId {
			return m
		}
	}
	t.Fatal("no member leads")
	return nil
}

// Run starts a member that does not run.
func (m *Member) Run(t testing.TB) {
	t.Helper()
	var ready struct{}
	m.process = servers.Start(t, m.binary, patience, m.settings, &ready)
}

// Kill ends a member, as a crash would.
func (m *Member) Kill() {
	if m.process != nil {
		m.process.Kill()
		m.process = nil
	}
}

// Keep returns what puts the member's folder back as it is now, as an old snapshot. It does not run, now and then.
func (m *Member) Keep(t testing.TB) (putBack func()) {
	t.Helper()
	kept := t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(m.settings.Folder)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(os.RemoveAll(m.settings.Folder), os.CopyFS(m.settings.Folder, os.DirFS(kept))); err != nil {
			t.Fatal(err)
		}
	}
}

// Freeze has a member stand still; connections to it stay open. On a machine with much to do that takes a while, which is
// waited for.
func (m *Member) Freeze(t testing.TB) {
	t.Helper()
	m.signal(t, syscall.SIGSTOP)
	for end := time.Now().Add(patience); !m.standsStill(t); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the member does not stand still")
		}
	}
}

// standsStill reports whether all threads do.
func (m *Member) standsStill(t testing.TB) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", m.process.OS().Pid))
	if err != nil || len(threads) == 0 {
		t.Fatal("the member has no threads: ", err)
	}
	return !slices.ContainsFunc(threads, func(path string) bool {
		stat, err := os.ReadFile(path)
		_, state, _ := strings.Cut(string(stat), ") ")
		return err == nil && !strings.HasPrefix(state, "T")
	})
}

// Thaw has a frozen member go on.
func (m *Member) Thaw(t testing.TB) { m.signal(t, syscall.SIGCONT) }

func (m *Member) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := m.process.OS().Signal(s); err != nil {
		t.Fatal(err)
	}
}
