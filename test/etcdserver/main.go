// Command etcdserver is one member of a real etcd for tests, as etcd's own library
// makes it. It reads its settings as one JSON object from standard input, prints one
// JSON line when it listens, which may be before it has found the other members, and
// ends when standard input does, so that it never outlives the test that started it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
)

// settings is what standard input says.
type settings struct {
	Name    string `json:"name"`
	Folder  string `json:"folder"`          // of the data; it outlives a restart
	Client  string `json:"client"`          // URL for clients
	Peer    string `json:"peer"`            // URL for the other members
	Cluster string `json:"cluster"`         // name=peer URL of all members, with commas between
	Joins   bool   `json:"joins,omitempty"` // members that run already, which know of it

	CertFile string `json:"cert_file,omitempty"` // with KeyFile: TLS for clients
	KeyFile  string `json:"key_file,omitempty"`
	CAFile   string `json:"ca_file,omitempty"` // clients need a certificate that it has issued

	Quota   int64 `json:"quota,omitempty"` // bytes; absent: etcd's default
	Sync    bool  `json:"sync,omitempty"`  // to the disk, as in use; absent: what is held survives a kill, no power loss
	Verbose bool  `json:"verbose,omitempty"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "etcdserver:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	stdin := bufio.NewReader(in)
	s, err := readSettings(stdin)
	if err != nil {
		return err
	}
	config, err := newConfig(s)
	if err != nil {
		return err
	}
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(struct{}{}); err != nil {
		return err
	}
	over := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, stdin)
		over <- err
	}()
	select {
	case err = <-over:
	case err = <-etcd.Err():
	case <-etcd.Server.StopNotify(): // it was removed from the cluster
	}
	return err
}

func readSettings(in *bufio.Reader) (settings, error) {
	var s settings
	line, err := in.ReadBytes('\n')
	if err != nil {
		return s, fmt.Errorf("read settings: %w", err)
	}
	return s, json.Unmarshal(line, &s)
}

func newConfig(s settings) (*embed.Config, error) {
	client, err := url.Parse(s.Client)
	if err != nil {
		return nil, err
	}
	peer, err := url.Parse(s.Peer)
	if err != nil {
		return nil, err
	}
	c := embed.NewConfig()
	c.Name, c.Dir, c.InitialCluster = s.Name, s.Folder, s.Cluster
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	c.ClientTLSInfo.CertFile, c.ClientTLSInfo.KeyFile = s.CertFile, s.KeyFile
	c.ClientTLSInfo.TrustedCAFile, c.ClientTLSInfo.ClientCertAuth = s.CAFile, s.CAFile != ""
	if s.Joins {
		c.ClusterState = embed.ClusterStateFlagExisting
	}
	c.QuotaBackendBytes, c.UnsafeNoFsync = s.Quota, !s.Sync
	if c.LogLevel = "fatal"; s.Verbose {
		c.LogLevel = "info"
	}
	return c, nil
}
