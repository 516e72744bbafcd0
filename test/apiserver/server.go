package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

func startEtcd(s settings) (*embed.Etcd, error) {
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config := embed.NewConfig()
	config.Dir = filepath.Join(s.Folder, "etcd")
	config.ListenClientUrls, config.ListenPeerUrls = loopback, loopback
	config.UnsafeNoFsync = true // what it holds is nobody's
	if config.LogLevel = "error"; s.Verbose {
		config.LogLevel = "info"
	}
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		return nil, err
	case <-time.After(time.Minute):
		return nil, errors.New("not ready after a minute")
	}
}

type server struct {
	options options.CompletedOptions
	ready   ready
}

func newServer(ctx context.Context, s settings, etcd string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	made := &server{ready: ready{Address: "https://" + l.Addr().String(), Token: rand.Text()}}
	flags, err := writeFlags(s, etcd, made.ready.Token)
	if err != nil {
		return nil, err
	}
	wanted := options.NewServerRunOptions()
	wanted.SecureServing.Listener = l
	if err := parse(wanted, flags); err != nil {
		return nil, err
	}
	if err := wanted.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	if made.options, err = wanted.Complete(ctx); err != nil {
		return nil, err
	}
	if faults := made.options.Validate(); len(faults) > 0 {
		return nil, utilerrors.NewAggregate(faults)
	}
	made.ready.CA, err = readFile(filepath.Join(s.Folder, "apiserver.crt"))
	return made, err
}

// writeFlags returns the command line's flags, and writes the files that they name.
func writeFlags(s settings, etcd, token string) ([]string, error) {
	key, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return nil, err
	}
	keyFile, tokens := filepath.Join(s.Folder, "accounts.key"), filepath.Join(s.Folder, "tokens.csv")
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		return nil, err
	}
	admin := fmt.Sprintf("%s,admin,admin,system:masters\n", token)
	return []string{
		"--etcd-servers=http://" + etcd,
		"--cert-dir=" + s.Folder, // it makes its certificate there
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none", // loopback is no endpoint
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + keyFile,
		"--service-account-signing-key-file=" + keyFile,
		"--authorization-mode=RBAC",
		"--token-auth-file=" + tokens,
		"--v=0",
	}, os.WriteFile(tokens, []byte(admin), 0o600)
}

func parse(wanted *options.ServerRunOptions, flags []string) error {
	all := pflag.NewFlagSet("apiserver", pflag.ContinueOnError)
	for _, some := range wanted.Flags().FlagSets {
		all.AddFlagSet(some)
	}
	return all.Parse(flags)
}

func (s *server) run(ctx context.Context) error { return app.Run(ctx, s.options) }

// awaitReady returns when the server says that it is ready, or has ended.
func (s *server) awaitReady(ended <-chan error) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.ready.CA))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: 10 * time.Second}
	for {
		if s.isReady(client) {
			return nil
		}
		select {
		case err := <-ended:
			return errors.Join(errors.New("it ended before it was ready"), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *server) isReady(client *http.Client) bool {
	request, err := http.NewRequest(http.MethodGet, s.ready.Address+"/readyz", nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+s.ready.Token)
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func readFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	return string(b), err
}
