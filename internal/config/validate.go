package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

var (
	namePattern     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	instancePattern = regexp.MustCompile(`^[a-z0-9-]{1,16}$`)
	labelPattern    = regexp.MustCompile(`^[a-zA-Z0-9_]+$`)
)

// pathReport is where the steps after decoding report to: a diagnostic is placed by its path.
type pathReport struct {
	*report
	warnings *report
	doc      *document
}

// diagnose reports what is wrong at p, unless p was reported already.
func (f *pathReport) diagnose(p *path, text, hint string) {
	if place := p.String(); !f.reported[place] {
		f.add(f.doc.positionOfPath(p), place, withoutSecrets(p, text), hint)
	}
}

func (f *pathReport) warn(p *path, text, hint string) {
	f.warnings.add(f.doc.positionOfPath(p), p.String(), withoutSecrets(p, text), hint)
}

// validator is the second step: it says what is wrong with a decoded configuration, each part by itself
// and in what it names of others.
type validator struct {
	*pathReport
	cfg    *Config
	usable map[string]sinks.Spec // the sinks that nothing is wrong with
	zones  map[string]bool       // time zones, and whether they are known here
}

// validate returns the sinks that nothing is wrong with.
func validate(cfg *Config, f *pathReport) (usable map[string]sinks.Spec) {
	v := &validator{pathReport: f, cfg: cfg, usable: map[string]sinks.Spec{}, zones: map[string]bool{}}
	v.checkInstance()
	v.checkAccounts()
	for _, name := range sortedNames(cfg.Sinks) {
		v.checkSink(name, cfg.Sinks[name])
	}
	v.checkSettings(&cfg.Defaults.Settings, topLevel("defaults"))
	v.checkAccountRef(cfg.Defaults.Account, topLevel("defaults"))
	v.checkRelays()
	return v.usable
}

// require reports p when ok is false.
func (v *validator) require(ok bool, p *path, text, hint string) {
	if !ok {
		v.diagnose(p, text, hint)
	}
}

func (v *validator) checkInstance() {
	p, name := topLevel("instance"), v.cfg.Instance
	v.require(instancePattern.MatchString(name), p, "must be 1 to 16 characters of a-z, 0-9 and -"+butNot(p, name), "")
	v.checkState()
	v.require(v.cfg.ShutdownTimeout >= time.Second, topLevel("shutdown_timeout"), "must be at least 1s", "")
	v.checkServer()
}

func (v *validator) checkName(p *path) {
	v.require(namePattern.MatchString(p.key), p,
		"a name is 1 to 63 characters of a-z, 0-9, _ and -, and starts with a letter or digit", "")
}

// checkAccounts also refuses one account under two names: it would not be known
// which API token a slot is to use.
func (v *validator) checkAccounts() {
	names := map[string]string{} // by account id
	for _, name := range sortedNames(v.cfg.Accounts) {
		p, a := topLevel("accounts").child(name), v.cfg.Accounts[name]
		v.checkAccount(p, a)
		if a == nil || a.AccountID == "" {
			continue
		}
		if first := names[a.AccountID]; first != "" {
			v.diagnose(p.child("account_id"), "this account is already configured as accounts."+shownName(first),
				"keep one of them")
			continue
		}
		names[a.AccountID] = name
	}
}

func (v *validator) checkAccount(p *path, a *Account) {
	v.checkName(p)
	if a == nil {
		return
	}
	v.checkID(p.child("account_id"), a.AccountID)
	v.checkSource(p.child("api_token"), a.APIToken)
	v.checkURL(p.child("api_url"), a.APIURL)
	limit := p.child("rate_limit")
	v.require(a.RateLimit.Requests > 0, limit.child("requests"),
		fmt.Sprintf("must be greater than 0, not %d", a.RateLimit.Requests), "")
	v.require(a.RateLimit.Per > 0, limit.child("per"), "must be greater than 0", "")
	v.require(a.RateLimit.Share > 0 && a.RateLimit.Share <= 1, limit.child("share"),
		fmt.Sprintf("must be greater than 0 and at most 1, not %g", a.RateLimit.Share), "")
}

func (v *validator) checkID(p *path, id string) {
	switch {
	case id == "":
		v.diagnose(p, "is required", "32 hex digits, as the dashboard shows them")
	case !moq.IsID(id):
		v.diagnose(p, "must be 32 hex digits in lower case"+butNot(p, id),
			whatIsWrongWithID(id))
	}
}

// whatIsWrongWithID is a hint for what is no id.
func whatIsWrongWithID(id string) string {
	switch n := utf8.RuneCountInString(id); {
	case moq.IsID(strings.ToLower(id)):
		return "write its letters in lower case"
	case n == idDigits:
		return "it has other characters than 0-9 and a-f"
	case n == 1:
		return "it has 1 character"
	default:
		return fmt.Sprintf("it has %d characters", n)
	}
}

func (v *validator) checkSource(p *path, s secret.Source) {
	if key, text, hint := s.WhatIsWrong(); text != "" {
		v.diagnose(p.descendant(key), text, hint)
	}
}

func (v *validator) checkURL(p *path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || !sinks.NamesHost(u) || u.Opaque != "":
		v.diagnose(p, "must be an address such as https://api.cloudflare.com/client/v4"+butNot(p, text), "")
	case u.User != nil || strings.ContainsAny(text, "?#"):
		v.diagnose(p, "must hold no user, query or fragment", "")
	case u.Scheme == "https", u.Scheme == "http" && sinks.IsLoopback(u.Hostname()):
	case u.Scheme == "http":
		v.diagnose(p, "plain http would show the API token to the network", "use https; http is for loopback alone")
	default:
		v.diagnose(p, "must be an https address"+butNot(p, text), "")
	}
}

func (v *validator) checkSink(name string, spec sinks.Spec) {
	p := topLevel("sinks").child(name)
	v.checkName(p)
	if spec == nil {
		return // its type is reported already
	}
	shared := spec.Shared()
	v.require(shared.Timeout > 0, p.child("timeout"), "must be greater than 0", "")
	v.require(shared.ProbeInterval > 0, p.child("probe_interval"), "must be greater than 0", "")
	usable := true
	for _, d := range spec.Diagnostics() {
		at := p.descendant(d.Key)
		if d.Warning {
			v.warn(at, d.Text, d.Hint)
			continue
		}
		v.require(d.Missing && v.above[at.String()], at, d.Text, d.Hint)
		usable = false
	}
	if usable {
		v.usable[name] = spec
	}
}

// checkSettings looks at what can be said of settings where they stand. Schedules and the paths of targets are left to
// the resolver, which parses each of a fleet once.
func (v *validator) checkSettings(s *Settings, p *path) {
	if s.Timezone != nil && !v.isZone(*s.Timezone) {
		at := p.child("timezone")
		v.diagnose(at, "must be a time zone that is known here"+butNot(at, *s.Timezone),
			"use a name such as UTC or Europe/Berlin")
	}
	if s.Timezone != nil && *s.Timezone == time.Local.String() {
		v.warn(p.child("timezone"), "is what the machine that runs rotatord calls local, which a replica's or the next may not",
			"name it, such as Europe/Berlin")
	}
	if s.Lifetime != nil {
		at := p.child("lifetime")
		v.require(*s.Lifetime <= year, at, "must be at most one year ("+formatDuration(year)+")", "")
		v.require(*s.Lifetime > 0, at, "must be longer than 0", "leave it out for the default")
	}
	if s.Sinks != nil {
		v.checkSinkRefs(s.Sinks, p.child("sinks"))
	}
}

func (v *validator) isZone(name string) bool {
	known, ok := v.zones[name]
	if !ok {
		_, err := time.LoadLocation(name)
		known = err == nil && name != ""
		v.zones[name] = known
	}
	return known
}

func (v *validator) checkSinkRefs(refs []SinkRef, p *path) {
	required := false
	for i := range refs {
		required = required || refs[i].required() || v.reported[p.item(i).child("required").String()]
		if _, ok := v.cfg.Sinks[refs[i].Sink]; !ok {
			v.unknownSink(refs[i].Sink, p.item(i))
		}
	}
	v.require(len(refs) > 0, p, "at least one sink is needed", "")
	v.require(required || len(refs) == 0, p, "at least one sink must be required",
		"leave out required: false for one of them")
}

func (v *validator) unknownSink(name string, p *path) {
	if name == "" {
		v.diagnose(p, "the sink's name is missing", "write a name, or {sink: name, path: …, required: …}")
		return
	}
	v.diagnose(p, "there is no sink"+called(p, name), suggestion(name, shownNames(v.cfg.Sinks)))
}

func (v *validator) checkAccountRef(name string, p *path) {
	if _, ok := v.cfg.Accounts[name]; name != "" && !ok {
		at := p.child("account")
		v.diagnose(at, "there is no account"+called(at, name), suggestion(name, shownNames(v.cfg.Accounts)))
	}
}

func (r *SinkRef) required() bool { return r.Required == nil || *r.Required }
