// Package config reads rotatord's configuration: one YAML file, decoded
// strictly, completed with the documented defaults and checked as a whole. It
// is pure: no network, and no file but its own.
package config

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Config is a checked configuration. It is immutable and safe for concurrent use.
type Config struct {
	Instance string                `yaml:"instance" json:"instance,omitempty" jsonschema:"pattern=^[a-z0-9-]{1\\,16}$,default=default" jsonschema_description:"Names this installation in token labels."`
	State    State                 `yaml:"state" json:"state,omitzero" jsonschema_description:"Where rotatord keeps its journal."`
	Server   Server                `yaml:"server" json:"server,omitzero" jsonschema_description:"The ways in: HTTP and the admin socket."`
	Log      Log                   `yaml:"log" json:"log,omitzero" jsonschema_description:"What is logged, and how."`
	Metrics  Metrics               `yaml:"metrics" json:"metrics,omitzero" jsonschema_description:"What is measured."`
	Accounts map[string]*Account   `yaml:"accounts" json:"accounts,omitempty" jsonschema_description:"Cloudflare accounts by name."`
	Sinks    map[string]sinks.Spec `yaml:"sinks" json:"sinks,omitempty" jsonschema_description:"Places that keep tokens for their consumers, by name."`
	Defaults Defaults              `yaml:"defaults" json:"defaults,omitzero" jsonschema_description:"What holds for every slot unless its relay or token says otherwise."`
	Relays   map[string]*Relay     `yaml:"relays" json:"relays,omitempty" jsonschema_description:"Relays by name, with the tokens to rotate."`

	slots    []Slot
	timings  []timing // in the order of the slots
	warnings Diagnostics
}

// State says where the journal is kept.
type State struct {
	Path         string `yaml:"path" json:"path,omitempty" jsonschema:"default=/var/lib/rotatord" jsonschema_description:"Folder of the embedded store."`
	IdentityFile string `yaml:"identity_file" json:"identity_file,omitempty" jsonschema_description:"age identity that seals pending values; default: in state.path, made while the journal is empty."`
	Etcd         *Etcd  `yaml:"etcd" json:"etcd,omitempty" jsonschema_description:"Shared store for several replicas. Not supported yet in this version."`
}

// Etcd is a store shared by several replicas.
type Etcd struct {
	Endpoints []string      `yaml:"endpoints" json:"endpoints,omitempty" jsonschema_description:"Addresses of the cluster."`
	Prefix    string        `yaml:"prefix" json:"prefix,omitempty" jsonschema_description:"Prefix of every key."`
	CAFile    string        `yaml:"ca_file" json:"ca_file,omitempty" jsonschema_description:"Certificates that the servers are checked against."`
	CertFile  string        `yaml:"cert_file" json:"cert_file,omitempty" jsonschema_description:"Client certificate."`
	KeyFile   string        `yaml:"key_file" json:"key_file,omitempty" jsonschema_description:"The client certificate's key."`
	Username  string        `yaml:"username" json:"username,omitempty" jsonschema_description:"User name."`
	Password  secret.Source `yaml:"password" json:"password,omitzero" jsonschema_description:"The user's password."`
}

// Server says how people and machines reach rotatord.
type Server struct {
	Listen           string `yaml:"listen" json:"listen,omitempty" jsonschema:"default=127.0.0.1:9476" jsonschema_description:"Address of the HTTP listener; the empty string turns it off."`
	WebConfigFile    string `yaml:"web_config_file" json:"web_config_file,omitempty" jsonschema_description:"Prometheus exporter-toolkit file: TLS and basic auth."`
	AdminSocket      string `yaml:"admin_socket" json:"admin_socket,omitempty" jsonschema:"default=/run/rotatord/admin.sock" jsonschema_description:"Unix socket that the command line uses."`
	AdminSocketMode  string `yaml:"admin_socket_mode" json:"admin_socket_mode,omitempty" jsonschema:"default=0600" jsonschema_description:"Permissions of the admin socket in octal."`
	AdminSocketGroup string `yaml:"admin_socket_group" json:"admin_socket_group,omitempty" jsonschema_description:"Group of the admin socket: a name or an id."`
}

// Log says what is logged, and how.
type Log struct {
	Level  string `yaml:"level" json:"level,omitempty" jsonschema:"enum=debug,enum=info,enum=warn,enum=error,default=info" jsonschema_description:"The least important level that is logged."`
	Format string `yaml:"format" json:"format,omitempty" jsonschema:"enum=json,enum=console,default=json" jsonschema_description:"Lines for machines or for people."`
}

// Metrics says what is measured.
type Metrics struct {
	PerSlot bool `yaml:"per_slot" json:"per_slot,omitempty" jsonschema:"default=true" jsonschema_description:"Series by relay and type; false for very large fleets."`
}

// Account is a Cloudflare account and the way into it.
type Account struct {
	AccountID string        `yaml:"account_id" json:"account_id" jsonschema:"pattern=^[0-9a-f]{32}$" jsonschema_description:"The account's id: 32 hex digits."`
	APIToken  secret.Source `yaml:"api_token" json:"api_token" jsonschema_description:"API token with the permission MoQ: Edit."`
	APIURL    string        `yaml:"api_url" json:"api_url,omitempty" jsonschema:"default=https://api.cloudflare.com/client/v4" jsonschema_description:"Base address of the API."`
	RateLimit RateLimit     `yaml:"rate_limit" json:"rate_limit,omitzero" jsonschema_description:"The budget of calls that the API token's owner has."`
}

// RateLimit is a budget of calls, of which rotatord takes a share.
type RateLimit struct {
	Requests int           `yaml:"requests" json:"requests,omitempty" jsonschema:"minimum=1,default=1200" jsonschema_description:"Calls allowed in the period."`
	Per      time.Duration `yaml:"per" json:"per,omitempty" jsonschema:"default=5m" jsonschema_description:"The period."`
	Share    float64       `yaml:"share" json:"share,omitempty" jsonschema:"exclusiveMinimum=0,maximum=1,default=0.5" jsonschema_description:"The part of it that rotatord keeps to."`
}

// Settings say how a slot is rotated. They stand in defaults, on a relay or on
// a token; the nearest one counts. What is nil or empty was not given there.
type Settings struct {
	Schedule *string        `yaml:"schedule" json:"schedule,omitempty" jsonschema:"default=0 4 * * 1" jsonschema_description:"Cron with 5 fields, or 6 with the seconds first; @daily, @every 12h, …; or manual."`
	Timezone *string        `yaml:"timezone" json:"timezone,omitempty" jsonschema:"default=UTC" jsonschema_description:"Time zone that the schedule is read in."`
	Jitter   *time.Duration `yaml:"jitter" json:"jitter,omitempty" jsonschema:"default=0s" jsonschema_description:"Greatest delay after the scheduled instant."`
	Strategy moq.Strategy   `yaml:"strategy" json:"strategy,omitempty" jsonschema:"enum=overlap,enum=in_place,default=overlap" jsonschema_description:"Create the new token beside the old one, or rotate in place."`
	Initial  string         `yaml:"initial" json:"initial,omitempty" jsonschema:"enum=now,enum=schedule" jsonschema_description:"First sight of a slot; default: now for overlap and schedule for in_place."`
	CatchUp  *bool          `yaml:"catch_up" json:"catch_up,omitempty" jsonschema:"default=true" jsonschema_description:"Run a missed schedule once on return."`
	Grace    *time.Duration `yaml:"grace" json:"grace,omitempty" jsonschema_description:"How long the old token lives on after the last verified delivery (overlap); default: half of the schedule's shortest gap and at most 24h."`
	Lifetime *time.Duration `yaml:"lifetime" json:"lifetime,omitempty" jsonschema_description:"Token expiry (overlap), at most 365d; default: four of the schedule's longest gaps and at least 30d."`
	Verify   *bool          `yaml:"verify" json:"verify,omitempty" jsonschema:"default=true" jsonschema_description:"Read every sink back."`
	Sinks    []SinkRef      `yaml:"sinks" json:"sinks,omitempty" jsonschema_description:"Where the token is delivered."`
}

// SinkRef names a sink that a slot's token goes to.
type SinkRef struct {
	Sink     string `yaml:"sink" json:"sink" jsonschema_description:"The sink's name."`
	Path     string `yaml:"path" json:"path,omitempty" jsonschema_description:"Template of the target, in place of the sink's own path or secret_id."`
	Required *bool  `yaml:"required" json:"required,omitempty" jsonschema:"default=true" jsonschema_description:"Whether a rotation waits for this sink."`
}

// Defaults hold for every slot unless its relay or token says otherwise.
type Defaults struct {
	Settings `yaml:",inline"`

	Account string `yaml:"account" json:"account,omitempty" jsonschema_description:"The relays' account; default: the only one there is."`
}

// Relay is a Cloudflare MoQ relay.
type Relay struct {
	Settings `yaml:",inline"`

	ID      string            `yaml:"id" json:"id" jsonschema:"pattern=^[0-9a-f]{32}$" jsonschema_description:"The relay's id: 32 hex digits."`
	Account string            `yaml:"account" json:"account,omitempty" jsonschema_description:"The relay's account."`
	Labels  map[string]string `yaml:"labels" json:"labels,omitempty" jsonschema_description:"For metrics and pages."`
	Retire  string            `yaml:"retire" json:"retire,omitempty" jsonschema:"enum=own,enum=matching,default=own" jsonschema_description:"What is revoked after the grace: own tokens alone, or all that were listed with exactly these operations (overlap)."`
	Tokens  Tokens            `yaml:"tokens" json:"tokens" jsonschema_description:"The relay's token types that are rotated."`
}

// Tokens are a relay's slots; one that is nil is not rotated.
type Tokens struct {
	PublishSubscribe *Token `yaml:"publish_subscribe" json:"publish_subscribe,omitempty" jsonschema_description:"Full access."`
	Subscribe        *Token `yaml:"subscribe" json:"subscribe,omitempty" jsonschema_description:"Read only."`
}

// Token is one slot's own settings.
type Token struct {
	Settings `yaml:",inline"`

	Retire string `yaml:"retire" json:"retire,omitempty" jsonschema:"enum=own,enum=matching,default=own" jsonschema_description:"As on a relay."`
}

// Slots are the slots that the configuration names, sorted by relay and type.
// The slice and all it holds are shared: do not write to them.
func (c *Config) Slots() []Slot { return c.slots }

// WithoutFleet returns the configuration without its relays and their slots, which
// are most of it: for those who keep it for long.
func (c *Config) WithoutFleet() *Config {
	rest := *c
	rest.Relays, rest.slots, rest.warnings = nil, nil, nil
	return &rest
}

// Warnings lists what is allowed but probably not wanted, in the file's order.
func (c *Config) Warnings() []Diagnostic { return c.warnings }

func (t Tokens) of(typ moq.TokenType) *Token {
	if typ == moq.PublishSubscribe {
		return t.PublishSubscribe
	}
	return t.Subscribe
}

// setScalar lets a sink be named by its name alone.
func (r *SinkRef) setScalar(text string) { r.Sink = text }

func (*Defaults) hintForKey(key string) (text, hint string) {
	if key == "retire" {
		return "retire cannot be a default", "give it on each relay or token that needs it"
	}
	return "", ""
}

func (*Token) hintForKey(key string) (text, hint string) {
	if key == "account" {
		return "account cannot be given for a token", "give it on the relay or in defaults"
	}
	return "", ""
}

func (*SinkRef) hintForKey(key string) (text, hint string) {
	if key == "secret_id" {
		return "unknown key", "here the target of every kind of sink is given as path"
	}
	return "", ""
}

// defaultConfig holds the documented defaults of what is not set per slot.
func defaultConfig() *Config {
	return &Config{
		Instance: "default",
		State:    State{Path: "/var/lib/rotatord"},
		Server:   Server{Listen: "127.0.0.1:9476", AdminSocket: "/run/rotatord/admin.sock", AdminSocketMode: "0600"},
		Log:      Log{Level: "info", Format: "json"},
		Metrics:  Metrics{PerSlot: true},
	}
}

// setDefaults sets the documented defaults of an account.
func (a *Account) setDefaults() {
	a.APIURL = "https://api.cloudflare.com/client/v4"
	a.RateLimit = RateLimit{Requests: 1200, Per: 5 * time.Minute, Share: 0.5}
}
