package config

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// replicaFacts is what replicas compare of a configuration. Without etcd nobody asks, and there is none.
type replicaFacts struct {
	digest  string
	folders []SharedFolder // sorted
}

// AdvertiseVariable is the variable that stands in for an empty server.advertise.
const AdvertiseVariable = "ROTATORD_ADVERTISE"

// Advertised returns where other replicas reach this one: what the configuration says or, where that is empty, the
// environment; "" where neither does. The error is about the environment: the configuration was checked.
func (c *Config) Advertised(env secret.Environment) (string, error) {
	if c.Server.Advertise != "" {
		return c.Server.Advertise, nil
	}
	address := env.Get(AdvertiseVariable)
	if address == "" {
		return "", nil
	}
	if text, hint := wrongAdvertise(address); text != "" {
		return "", fault.Newf(fault.Permanent, fault.Invalid, "", AdvertiseVariable, "%s", text).WithHint("%s", hint)
	}
	return address, nil
}

// SharedFolder is a folder in which a sink keeps values, and which all replicas have to see as one.
type SharedFolder struct{ Sink, Folder string }

// SharedFolders lists, with etcd, the folders of the sinks of files that slots deliver to, each up to where its targets
// differ, sorted. Do not write to it.
func (c *Config) SharedFolders() []SharedFolder { return c.replicas.folders }

// Digest tells configurations of replicas apart: it is of everything in it but server, log, credentials and what is this
// machine's own (its paths, and by which address it reaches etcd), whatever the order and the form of the file.
// Without etcd it is "".
func (c *Config) Digest() string { return c.replicas.digest }

// noteFolder remembers the folder that a template of a sink's leads to, where replicas share it.
func (r *resolver) noteFolder(sink string, spec sinks.Spec, template string) {
	if r.cfg.State.Etcd == nil {
		return
	}
	if folder, ok := sinks.SharedFolderOf(spec, template); ok {
		r.folders[SharedFolder{sink, folder}] = true
	}
}

func (r *resolver) sharedFolders() []SharedFolder {
	return slices.SortedFunc(maps.Keys(r.folders), func(a, b SharedFolder) int {
		return cmp.Or(cmp.Compare(a.Sink, b.Sink), cmp.Compare(a.Folder, b.Folder))
	})
}
