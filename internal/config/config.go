// Package config reads rotatord's configuration: one YAML file, decoded
// strictly, completed with the documented defaults and checked as a whole. It
// is pure: no network, and no file but its own.
//
// There are three steps, each a type with the methods of one verb. The decoder fills Go values from
// the document's nodes, and refuses what has no place in them. The validator checks each part by itself
// and in what it names of others. The resolver makes each slot's plan of the settings nearest to it, and
// checks what only shows there: timing, targets, room on a relay. All report to one list of diagnostics, with
// line and column; what is wrong in one step is not reported by the next again. A secret that somebody
// pasted is never repeated, and what a step cannot judge because of an earlier one it leaves alone.
package config

import (
	"iter"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// Config is a checked configuration. It is immutable and safe for concurrent use.
type Config struct {
	// Names this installation in token labels.
	Instance string `yaml:"instance" jsonschema:"pattern=^[a-z0-9-]{1\\,16}$,default=default"`
	// Where rotatord keeps its journal.
	State State `yaml:"state"`
	// The ways in: HTTP and the admin socket.
	Server Server `yaml:"server" digest:"-"`
	// What is logged, and how.
	Log Log `yaml:"log" digest:"-"`
	// What is measured.
	Metrics Metrics `yaml:"metrics"`
	// How long a stop may take: for the steps in hand, and to close all.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout" jsonschema:"default=30s"`
	// Cloudflare accounts by name.
	Accounts map[string]*Account `yaml:"accounts"`
	// Places that keep tokens for their consumers, by name.
	Sinks map[string]sinks.Spec `yaml:"sinks"`
	// What holds for every slot unless its relay or token says otherwise.
	Defaults Defaults `yaml:"defaults"`
	// Relays by name, with the tokens to rotate.
	Relays map[string]*Relay `yaml:"relays"`

	plans    []*slot.Plan // sorted by relay and type
	timings  []timing     // in the order of the plans
	warnings Diagnostics

	replicas replicaFacts
}

// State says where the journal is kept.
type State struct {
	// Folder of the embedded store; not used with etcd.
	Path string `yaml:"path" jsonschema:"default=/var/lib/rotatord" digest:"-"`
	// File of age identities: the first seals pending values, all open them; default: in state.path, made while the
	// journal is empty. With etcd it is required, the same for every replica, and never made.
	IdentityFile string `yaml:"identity_file" digest:"-"`
	// Store that several replicas share, one of which leads.
	Etcd *Etcd `yaml:"etcd"`
}

// Server says how people and machines reach rotatord.
type Server struct {
	// Address of the HTTP listener; the empty string turns it off.
	Listen string `yaml:"listen" jsonschema:"default=127.0.0.1:9476"`
	// Prometheus exporter-toolkit file: TLS and basic auth.
	WebConfigFile string `yaml:"web_config_file"`
	// Unix socket that the command line uses.
	AdminSocket string `yaml:"admin_socket" jsonschema:"default=/run/rotatord/admin.sock"`
	// Permissions of the admin socket in octal.
	AdminSocketMode string `yaml:"admin_socket_mode" jsonschema:"default=0600"`
	// Group of the admin socket: a name or an id.
	AdminSocketGroup string `yaml:"admin_socket_group"`
	// With etcd: where other replicas reach this one, https://host:port; default: ROTATORD_ADVERTISE.
	Advertise string `yaml:"advertise"`
	// Let changes through over plain http on an address off loopback: for a listener behind a proxy that ends TLS.
	Insecure bool `yaml:"insecure" jsonschema:"default=false"`
}

// Log says what is logged, and how.
type Log struct {
	// The least important level that is logged.
	Level string `yaml:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error,default=info"`
	// Lines for machines or for people.
	Format string `yaml:"format" jsonschema:"enum=json,enum=console,default=json"`
}

// Metrics says what is measured.
type Metrics struct {
	// Series by relay and type; false for very large fleets.
	PerSlot bool `yaml:"per_slot" jsonschema:"default=true"`
}

// Account is a Cloudflare account and the way into it.
type Account struct {
	// The account's id: 32 hex digits.
	AccountID string `yaml:"account_id" jsonschema:"required,pattern=^[0-9a-f]{32}$"`
	// API token with the permission MoQ: Edit.
	APIToken secret.Source `yaml:"api_token" jsonschema:"required"`
	// Base address of the API.
	APIURL string `yaml:"api_url" jsonschema:"default=https://api.cloudflare.com/client/v4"`
	// The budget of calls that the API token's owner has.
	RateLimit RateLimit `yaml:"rate_limit"`
}

// RateLimit is a budget of calls, of which rotatord takes a share.
type RateLimit struct {
	// Calls allowed in the period.
	Requests int `yaml:"requests" jsonschema:"minimum=1,default=1200"`
	// The period.
	Per time.Duration `yaml:"per" jsonschema:"default=5m"`
	// The part of it that rotatord keeps to.
	Share float64 `yaml:"share" jsonschema:"exclusiveMinimum=0,maximum=1,default=0.5"`
}

// Settings say how a slot is rotated. They stand in defaults, on a relay or on
// a token; the nearest one counts. What is nil or empty was not given there.
type Settings struct {
	// Cron with 5 fields, or 6 with the seconds first; @daily, @every 12h, …; or manual.
	Schedule *string `yaml:"schedule" jsonschema:"default=0 4 * * 1"`
	// Time zone that the schedule is read in.
	Timezone *string `yaml:"timezone" jsonschema:"default=UTC"`
	// Greatest delay after the scheduled instant.
	Jitter *time.Duration `yaml:"jitter" jsonschema:"default=0s"`
	// Create the new token beside the old one, or rotate in place.
	Strategy moq.Strategy `yaml:"strategy" jsonschema:"enum=overlap,enum=in_place,default=overlap"`
	// When a slot that has never rotated does: now, or at its first instant; default: now for overlap and schedule for
	// in_place.
	Initial slot.Initial `yaml:"initial" jsonschema:"enum=now,enum=schedule"`
	// Run a missed schedule once on return.
	CatchUp *bool `yaml:"catch_up" jsonschema:"default=true"`
	// How long the old token lives on after the last verified delivery (overlap); default: half of the schedule's
	// shortest gap and at most 24h.
	Grace *time.Duration `yaml:"grace"`
	// How long a new token waits for relays to know it before it is delivered (overlap); default: 10s and at most a
	// quarter of the schedule's shortest gap.
	Settle *time.Duration `yaml:"settle"`
	// Token expiry (overlap), at most 365d; default: four of the schedule's longest gaps and at least 30d.
	Lifetime *time.Duration `yaml:"lifetime"`
	// Read every sink back.
	Verify *bool `yaml:"verify" jsonschema:"default=true"`
	// Where the token is delivered.
	Sinks []SinkRef `yaml:"sinks" jsonschema:"minItems=1"`
}

// SinkRef names a sink that a slot's token goes to.
type SinkRef struct {
	// The sink's name.
	Sink string `yaml:"sink" jsonschema:"required"`
	// Template of the target, in place of the sink's own path or secret_id.
	Path string `yaml:"path"`
	// Whether a rotation waits for this sink.
	Required *bool `yaml:"required" jsonschema:"default=true"`
}

// Defaults hold for every slot unless its relay or token says otherwise.
type Defaults struct {
	Settings `yaml:",inline"`

	// The relays' account; default: the only one there is.
	Account string `yaml:"account"`
}

// Relay is a Cloudflare MoQ relay.
type Relay struct {
	Settings `yaml:",inline"`

	// The relay's id: 32 hex digits.
	ID string `yaml:"id" jsonschema:"required,pattern=^[0-9a-f]{32}$"`
	// The relay's account.
	Account string `yaml:"account"`
	// For metrics and pages.
	Labels map[string]string `yaml:"labels"`
	// What is revoked after the grace: own tokens alone, or all that were listed with exactly these operations
	// (overlap).
	Retire string `yaml:"retire" jsonschema:"enum=own,enum=matching,default=own"`
	// The relay's tokens that are rotated: publish_subscribe, subscribe, publish, and named ones.
	Tokens map[moq.TokenType]*Token `yaml:"tokens" jsonschema:"required"`
}

// Token is one slot's own settings.
type Token struct {
	Settings `yaml:",inline"`

	// What the holder of a named token may do; the other types' names say it.
	Operations []string `yaml:"operations"`
	// What is revoked after the grace of this token, in place of what the relay says: own tokens alone, or all that
	// were listed with exactly these operations (overlap).
	Retire string `yaml:"retire" jsonschema:"enum=own,enum=matching,default=own"`
}

// WithoutFleet returns the configuration without its relays and their plans, which
// are most of it: for those who keep it for long.
func (c *Config) WithoutFleet() *Config {
	rest := *c
	rest.Relays, rest.plans, rest.warnings = nil, nil, nil
	return &rest
}

// Warnings lists what is allowed but probably not wanted, in the file's order.
func (c *Config) Warnings() []Diagnostic { return c.warnings }

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
		Server:   Server{Listen: "127.0.0.1:9476", AdminSocket: DefaultAdminSocket, AdminSocketMode: "0600"},
		Log:      Log{Level: "info", Format: "json"},
		Metrics:  Metrics{PerSlot: true},

		ShutdownTimeout: 30 * time.Second,
	}
}

// setDefaults sets the documented defaults of an account.
func (a *Account) setDefaults() {
	a.APIURL = "https://api.cloudflare.com/client/v4"
	a.RateLimit = RateLimit{Requests: 1200, Per: 5 * time.Minute, Share: 0.5}
}

// Plans are what the configuration wants of each slot, sorted by relay and type. Slots alike share a policy.
// The slice is shared, and plans are immutable: do not write to them.
func (c *Config) Plans() []*slot.Plan { return c.plans }

// PlansByRelay yields each relay's name in the configuration with its plans, in their order.
func (c *Config) PlansByRelay() iter.Seq2[string, []*slot.Plan] {
	return func(yield func(string, []*slot.Plan) bool) {
		for plans := c.plans; len(plans) > 0; {
			n := 1
			for n < len(plans) && plans[n].Relay == plans[0].Relay {
				n++
			}
			if !yield(plans[0].Relay, plans[:n]) {
				return
			}
			plans = plans[n:]
		}
	}
}
