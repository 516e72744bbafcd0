// Command vaultserver is a real Vault on loopback for tests: Vault's own core
// behind its own HTTP API, with the KV secrets engine and the auth methods that
// rotatord offers. It reads its settings as one JSON object from standard
// input, prints one JSON line when it is ready, and ends when standard input
// does, so that it never outlives the test that started it.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/vault"
)

// settings is what standard input says.
type settings struct {
	Listen  string   `json:"listen"`             // host:port; port 0 picks a free one
	Storage string   `json:"storage,omitempty"`  // folder that outlives a restart; absent: memory
	CertPEM string   `json:"cert_pem,omitempty"` // with KeyPEM: TLS that asks for client certificates
	KeyPEM  string   `json:"key_pem,omitempty"`
	Unseal  [][]byte `json:"unseal,omitempty"` // keys of a storage that is initialised already
	Blank   bool     `json:"blank,omitempty"`  // stay uninitialised
	Verbose bool     `json:"verbose,omitempty"`
}

// ready is the line on standard output.
type ready struct {
	Address   string   `json:"address"`
	RootToken string   `json:"root_token,omitempty"` // of a storage that was new
	Unseal    [][]byte `json:"unseal,omitempty"`     // of a storage that was new
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vaultserver:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	stdin := bufio.NewReader(in)
	s, err := readSettings(stdin)
	if err != nil {
		return err
	}
	core, err := newCore(s)
	if err != nil {
		return err
	}
	l, address, err := listen(s)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- serve(l, core) }()
	say, err := open(core, s)
	if err != nil {
		return err
	}
	say.Address = address
	if err := json.NewEncoder(out).Encode(say); err != nil {
		return err
	}
	go func() {
		_, err := io.Copy(io.Discard, stdin)
		failed <- err
	}()
	return <-failed
}

func readSettings(in *bufio.Reader) (settings, error) {
	var s settings
	line, err := in.ReadBytes('\n')
	if err != nil {
		return s, fmt.Errorf("read settings: %w", err)
	}
	return s, json.Unmarshal(line, &s)
}

func listen(s settings) (net.Listener, string, error) {
	l, err := net.Listen("tcp", s.Listen)
	if err != nil || s.CertPEM == "" {
		return l, addressOf("http", l), err
	}
	pair, err := tls.X509KeyPair([]byte(s.CertPEM), []byte(s.KeyPEM))
	if err != nil {
		return nil, "", err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert,
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}
	return tls.NewListener(l, config), addressOf("https", l), nil
}

func addressOf(scheme string, l net.Listener) string {
	if l == nil {
		return ""
	}
	return scheme + "://" + l.Addr().String()
}

func serve(l net.Listener, core *vault.Core) error {
	h := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: new(configutil.Listener)})
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
