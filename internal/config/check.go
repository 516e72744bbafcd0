package config

import (
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

var (
	namePattern     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	instancePattern = regexp.MustCompile(`^[a-z0-9-]{1,16}$`)
	labelPattern    = regexp.MustCompile(`^[a-zA-Z0-9_]+$`)
	envPattern      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// checker says what is wrong with a decoded configuration as a whole, and
// resolves its slots. Its faults are placed by their path.
type checker struct {
	*collector
	cfg      *Config
	doc      *document
	warnings *collector

	timings   timings
	known     timings // of the configuration before
	gauge     *scheduler.Gauge
	zones     map[string]*time.Location
	templates sinks.Templates
	usable    map[string]sinks.Spec // the sinks without faults
	labels    map[string]map[string]string
	locations map[string]int32 // location of a target → index of its slot
	tried     map[trial]bool
}

func newChecker(cfg *Config, found *collector, doc *document, known []timing) *checker {
	cfg.timings = make([]timing, 0, len(known))
	return &checker{
		collector: found, cfg: cfg, doc: doc, warnings: newCollector(found.file),
		timings: make(timings, len(known)), known: byWords(known), gauge: scheduler.NewGauge(gapsFrom), zones: map[string]*time.Location{},
		labels: map[string]map[string]string{}, usable: map[string]sinks.Spec{}, locations: make(map[string]int32, 2*len(cfg.Relays)),
		tried: map[trial]bool{},
	}
}

func (c *checker) check() {
	c.checkInstance()
	c.checkAccounts()
	for _, name := range sortedNames(c.cfg.Sinks) {
		c.checkSink(name, c.cfg.Sinks[name])
	}
	c.checkSettings(&c.cfg.Defaults.Settings, root("defaults"))
	c.checkAccountRef(c.cfg.Defaults.Account, root("defaults"))
	c.checkRelays()
	c.warnings.faults.sort()
	c.cfg.warnings = c.warnings.faults
}

func root(key string) *path { return (*path)(nil).child(key) }

// fault blames p, unless it was blamed already.
func (c *checker) fault(p *path, text, hint string) {
	if place := p.String(); !c.blamed[place] {
		c.add(c.doc.find(p), place, text, hint)
	}
}

func (c *checker) warn(p *path, text, hint string) {
	c.warnings.add(c.doc.find(p), p.String(), text, hint)
}

// require blames p when ok is false.
func (c *checker) require(ok bool, p *path, text, hint string) {
	if !ok {
		c.fault(p, text, hint)
	}
}

func (c *checker) checkInstance() {
	c.require(instancePattern.MatchString(c.cfg.Instance), root("instance"), "must be 1 to 16 characters of a-z, 0-9 and -", "")
	c.require(c.cfg.State.Path != "", root("state").child("path"), "must name a folder", "")
	c.require(c.cfg.State.Etcd == nil, root("state").child("etcd"), "state.etcd is not supported yet in this version", "remove it; state.path is the embedded store")
	c.checkServer()
}

func (c *checker) checkName(p *path) {
	c.require(namePattern.MatchString(p.key), p, "a name is 1 to 63 characters of a-z, 0-9, _ and -, and starts with a letter or digit", "")
}

// checkAccounts also refuses one account under two names: it would not be known
// which API token a slot is to use.
func (c *checker) checkAccounts() {
	names := map[string]string{} // by account id
	for _, name := range sortedNames(c.cfg.Accounts) {
		p, a := root("accounts").child(name), c.cfg.Accounts[name]
		c.checkAccount(p, a)
		if a == nil || a.AccountID == "" {
			continue
		}
		if first := names[a.AccountID]; first != "" {
			c.fault(p.child("account_id"), "this account is already configured as accounts."+first, "keep one of them")
			continue
		}
		names[a.AccountID] = name
	}
}

func (c *checker) checkAccount(p *path, a *Account) {
	c.checkName(p)
	if a == nil {
		return
	}
	c.checkID(p.child("account_id"), a.AccountID)
	c.checkSource(p.child("api_token"), a.APIToken)
	c.checkURL(p.child("api_url"), a.APIURL)
	limit := p.child("rate_limit")
	c.require(a.RateLimit.Requests > 0, limit.child("requests"), "must be greater than 0", "")
	c.require(a.RateLimit.Per > 0, limit.child("per"), "must be greater than 0", "")
	c.require(a.RateLimit.Share > 0 && a.RateLimit.Share <= 1, limit.child("share"), "must be greater than 0 and at most 1", "")
}

func (c *checker) checkID(p *path, id string) {
	switch {
	case id == "":
		c.fault(p, "is required", "32 hex digits, as the dashboard shows them")
	case !moq.IsID(id):
		c.fault(p, "must be 32 hex digits in lower case", fmt.Sprintf("it has %d characters", len([]rune(id))))
	}
}

func (c *checker) checkSource(p *path, s secret.Source) {
	if problem := s.Problem(); problem != "" {
		c.fault(p, problem, sourceHint)
	} else if s.Env != "" && !envPattern.MatchString(s.Env) {
		c.fault(p.child("env"), "must be the name of an environment variable", "not its value")
	}
}

func (c *checker) checkURL(p *path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		c.fault(p, "must be an address such as https://api.cloudflare.com/client/v4", "")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		c.fault(p, "must hold no user, query or fragment", "")
	case u.Scheme == "https", u.Scheme == "http" && sinks.IsLoopback(u.Hostname()):
	case u.Scheme == "http":
		c.fault(p, "plain http would show the API token to the network", "use https; http is for loopback alone")
	default:
		c.fault(p, "must be an https address", "")
	}
}

func (c *checker) checkSink(name string, spec sinks.Spec) {
	p := root("sinks").child(name)
	c.checkName(p)
	if spec == nil {
		return // its type is at fault already
	}
	shared := spec.Shared()
	c.require(shared.Timeout > 0, p.child("timeout"), "must be greater than 0", "")
	c.require(shared.ProbeInterval > 0, p.child("probe_interval"), "must be greater than 0", "")
	usable := true
	for _, problem := range spec.Problems() {
		if problem.Warning {
			c.warn(p.below(problem.Key), problem.Text, problem.Hint)
			continue
		}
		c.fault(p.below(problem.Key), problem.Text, problem.Hint)
		usable = false
	}
	if usable {
		c.usable[name] = spec
	}
}

// checkSettings checks what can be said of settings where they stand.
func (c *checker) checkSettings(s *Settings, p *path) {
	if s.Timezone != nil {
		if _, err := time.LoadLocation(*s.Timezone); err != nil || *s.Timezone == "" {
			c.fault(p.child("timezone"), "is no time zone that is known here", "use a name such as UTC or Europe/Berlin")
		}
	}
	if s.Sinks != nil {
		c.checkSinkRefs(s.Sinks, p.child("sinks"))
	}
}

func (c *checker) checkSinkRefs(refs []SinkRef, p *path) {
	required := false
	for i := range refs {
		required = required || refs[i].required()
		if _, ok := c.cfg.Sinks[refs[i].Sink]; !ok {
			c.checkSinkName(refs[i].Sink, p.item(i))
		}
	}
	c.require(len(refs) > 0, p, "at least one sink is needed", "")
	c.require(required || len(refs) == 0, p, "at least one sink must be required", "leave out required: false for one of them")
}

func (c *checker) checkSinkName(name string, p *path) {
	if name == "" {
		c.fault(p, "the sink's name is missing", "write a name, or {sink: name, path: …, required: …}")
		return
	}
	c.fault(p, "no sink of this name is configured", suggestion(name, sortedNames(c.cfg.Sinks)))
}

func (c *checker) checkAccountRef(name string, p *path) {
	if _, ok := c.cfg.Accounts[name]; name != "" && !ok {
		c.fault(p.child("account"), "no account of this name is configured", suggestion(name, sortedNames(c.cfg.Accounts)))
	}
}

func (r *SinkRef) required() bool { return r.Required == nil || *r.Required }
