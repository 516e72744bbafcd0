package main

import (
	_ "embed"
	"errors"
	"html/template"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

//go:embed dev.yaml.tmpl
var devConfig string

const (
	devAccount = "023e105f4ecef8ad9ca31a8372d0c353"
	devRelay   = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
	devListen  = "127.0.0.1:9476"
)

// devWorld is what `dev` sets up and takes away again.
type devWorld struct {
	Dir, API, Listen, Strategy, Account, Relay string
	cloudflare                                 *http.Server
}

func newDevWorld(strategy string) (*devWorld, error) {
	dir, err := os.MkdirTemp("", "rotatord-dev-")
	if err != nil {
		return nil, err
	}
	w := &devWorld{Dir: dir, Strategy: strategy, Account: devAccount, Relay: devRelay}
	if err := w.startCloudflare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return w, nil
}

func (w *devWorld) startCloudflare() error {
	sim := cfsim.New(cfsim.Options{})
	sim.AddAccount(devAccount, cfsim.Both)
	sim.AddAPIToken("dev-api-token", cfsim.Edit, devAccount)
	sim.AddRelay(devAccount, devRelay, "dev")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.API = "http://" + l.Addr().String() + "/client/v4"
	w.cloudflare = &http.Server{Handler: sim, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = w.cloudflare.Serve(l) }()
	return nil
}

func (w *devWorld) writeConfig(path string) error {
	if err := os.WriteFile(filepath.Join(w.Dir, "api-token"), []byte("dev-api-token\n"), 0o600); err != nil {
		return err
	}
	var b strings.Builder
	if err := template.Must(template.New("dev").Parse(devConfig)).Execute(&b, w); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

func (w *devWorld) close() error {
	return errors.Join(w.cloudflare.Close(), os.RemoveAll(w.Dir))
}
