// Command apiserver is a real kube-apiserver on loopback for tests, on an etcd
// of its own in the same process. It reads its settings as one JSON object from
// standard input, prints one JSON line when it is ready, and ends when standard
// input does, so that it never outlives the test that started it. The file ldflags
// has the version that it says it is, which Helm asks for.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// settings is what standard input says.
type settings struct {
	Folder  string `json:"folder"` // empty; for etcd's data, keys and certificates
	Verbose bool   `json:"verbose,omitempty"`
}

// ready is the line on standard output.
type ready struct {
	Address string `json:"address"`
	CA      string `json:"ca"`    // PEM; signed the server's certificate
	Token   string `json:"token"` // of an administrator
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "apiserver:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	stdin := bufio.NewReader(in)
	s, err := readSettings(stdin)
	if err != nil {
		return err
	}
	etcd, err := startEtcd(s)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer etcd.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	server, err := newServer(ctx, s, etcd.Clients[0].Addr().String())
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- server.run(ctx) }()
	go func() {
		_, err := io.Copy(io.Discard, stdin)
		ended <- err
	}()
	if err := server.awaitReady(ended); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(server.ready); err != nil {
		return err
	}
	return <-ended
}

func readSettings(in *bufio.Reader) (settings, error) {
	var s settings
	line, err := in.ReadBytes('\n')
	if err != nil {
		return s, fmt.Errorf("read settings: %w", err)
	}
	return s, json.Unmarshal(line, &s)
}
