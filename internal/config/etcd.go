package config

import (
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

// Etcd is a store that several replicas share.
type Etcd struct {
	// Addresses of its members: https://host:port; plain http on loopback alone.
	Endpoints []string `yaml:"endpoints" jsonschema:"required,minItems=1" digest:"-"`
	// What every key begins with.
	Prefix string `yaml:"prefix" jsonschema:"pattern=^(/[A-Za-z0-9._-]+)+$,default=/rotatord"`
	// PEM file of the authorities that sign the members' certificates, instead of the system's.
	CAFile string `yaml:"ca_file" digest:"-"`
	// PEM file of the client certificate.
	CertFile string `yaml:"cert_file" digest:"-"`
	// PEM file of the client certificate's key.
	KeyFile string `yaml:"key_file" digest:"-"`
	// User of etcd.
	Username string `yaml:"username" digest:"-"`
	// The user's password.
	Password secret.Source `yaml:"password"`
	// How long a leader that is gone is missed before another leads: whole seconds, 3s to 1m.
	LeaseTTL time.Duration `yaml:"lease_ttl" jsonschema:"default=10s"`
}

// setDefaults sets the documented defaults.
func (e *Etcd) setDefaults() { e.Prefix, e.LeaseTTL = "/rotatord", 10*time.Second }
