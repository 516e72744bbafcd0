package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/leadership"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// electionFolder is where candidates have their keys, below the prefix.
const electionFolder = "/election"

// dialEtcd makes a client. A password is tried at once, and that fails where etcd is away.
func dialEtcd(e *config.Etcd, env secret.Environment) (*clientv3.Client, error) {
	a := etcdjournal.Access{Endpoints: e.Endpoints, Username: e.Username}
	if e.CAFile != "" || e.CertFile != "" {
		a.TLS = func() (*tls.Config, error) { return readEtcdTLS(e) }
		if _, err := a.TLS(); err != nil {
			return nil, fmt.Errorf("state.etcd: %w", err)
		}
	}
	if !e.Password.IsZero() {
		password, err := e.Password.Read(env)
		if err != nil {
			return nil, fmt.Errorf("state.etcd.password: %w", err)
		}
		a.Password = password
	}
	return etcdjournal.Dial(a)
}

// readEtcdTLS reads what a connection to etcd is made with.
func readEtcdTLS(e *config.Etcd) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.CAFile != "" {
		text, err := os.ReadFile(e.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file %s holds no PEM certificate", e.CAFile)
		}
	}
	if e.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(e.CertFile, e.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// termStore is etcd's store during one term, which is over once a write finds that out.
type termStore struct {
	*etcdjournal.Store
	term *leadership.Term
}

// Save implements rotation.Journal.
func (s termStore) Save(ctx context.Context, r *slot.Record, events ...slot.Event) error {
	return s.heed(s.Store.Save(ctx, r, events...))
}

// Check implements rotation.Journal.
func (s termStore) SaveAccount(ctx context.Context, n slot.AccountNote) error {
	return s.heed(s.Store.SaveAccount(ctx, n))
}

func (s termStore) Check(ctx context.Context) error { return s.heed(s.Store.Check(ctx)) }

// heed ends the term where etcd says that it is over, or holds what this term did not leave there.
func (s termStore) heed(err error) error {
	if errors.Is(err, etcdjournal.ErrNotLeader) || errors.Is(err, etcdjournal.ErrRestored) {
		s.term.End(err)
	}
	return err
}

// Size is not known.
func (termStore) Size() int64 { return -1 }

// Unmap has nothing to give back.
func (termStore) Unmap() {}
