package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/go-hclog"
	jwt "github.com/hashicorp/vault-plugin-auth-jwt"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func newCore(s settings) (*vault.Core, error) {
	log := hclog.NewNullLogger()
	if s.Verbose {
		log = hclog.Default()
	}
	disk, err := storage(s, log)
	if err != nil {
		return nil, err
	}
	engines := map[string]logical.Factory{"kv": kv.Factory}
	methods := map[string]logical.Factory{
		"approle": approle.Factory, "cert": cert.Factory, "jwt": jwt.Factory, "kubernetes": kubernetes.Factory,
	}
	return vault.NewCore(&vault.CoreConfig{
		Physical: disk, Logger: log, DisableMlock: true,
		LogicalBackends: engines, CredentialBackends: methods,
		BuiltinRegistry: registry{consts.PluginTypeSecrets: engines, consts.PluginTypeCredential: methods},
	})
}

func storage(s settings, log hclog.Logger) (physical.Backend, error) {
	if s.Storage == "" {
		return inmem.NewInmem(nil, log)
	}
	return file.NewFileBackend(map[string]string{"path": s.Storage}, log)
}

// open makes the core initialised and unsealed, unless it is to stay blank.
func open(core *vault.Core, s settings) (ready, error) {
	if s.Blank {
		return ready{}, nil
	}
	ctx := context.Background()
	initialised, err := core.Initialized(ctx)
	if err != nil {
		return ready{}, err
	}
	if initialised {
		return ready{}, unseal(core, s.Unseal)
	}
	one := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	made, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: one, LegacyShamirSeal: true})
	if err != nil {
		return ready{}, err
	}
	r := ready{RootToken: made.RootToken, Unseal: made.SecretShares}
	return r, unseal(core, made.SecretShares)
}

func unseal(core *vault.Core, keys [][]byte) error {
	for _, k := range keys {
		if _, err := core.Unseal(slices.Clone(k)); err != nil { // Unseal wipes the key it is given
			return fmt.Errorf("unseal: %w", err)
		}
	}
	return nil
}

// registry is Vault's catalogue of what is built in; without one the first mount panics.
type registry map[consts.PluginType]map[string]logical.Factory

func (r registry) Contains(name string, t consts.PluginType) bool {
	_, ok := r[t][name]
	return ok
}

func (r registry) Get(name string, t consts.PluginType) (func() (any, error), bool) {
	f, ok := r[t][name]
	return func() (any, error) { return f, nil }, ok
}

func (r registry) Keys(t consts.PluginType) []string { return slices.Sorted(maps.Keys(r[t])) }

func (r registry) DeprecationStatus(name string, t consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, t)
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
