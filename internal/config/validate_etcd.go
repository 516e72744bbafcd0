package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Bounds of state.etcd.lease_ttl. In less than three seconds a renewal that is repeated once may come too late, and each
// slow sync of etcd's disks would end a term; after more than a minute a leader that is gone has been missed for too long.
const (
	shortestLease = 3 * time.Second
	longestLease  = time.Minute
)

var prefixPattern = regexp.MustCompile(`^(?:/[A-Za-z0-9._-]+)+$`)

func (v *validator) checkState() {
	s, p := v.cfg.State, topLevel("state")
	v.require(s.Path != "", p.child("path"), "must name a folder", "")
	if s.Etcd == nil {
		return
	}
	if at := p.child("etcd"); !v.reported[at.String()] {
		v.checkEtcd(s.Etcd, at)
	}
	v.require(s.IdentityFile != "", p.child("identity_file"),
		"is required with state.etcd: each replica must open what another has sealed",
		"make one with age-keygen -o FILE, give it to each replica, mode 0600, and name it here")
	for _, name := range sortedNames(v.cfg.Sinks) {
		v.checkShared(v.cfg.Sinks[name], topLevel("sinks").child(name))
	}
}

// checkShared refuses a sink whose targets the next leader would not find on its machine: each failover would mint anew
// for all of them.
func (v *validator) checkShared(spec sinks.Spec, p *path) {
	if spec == nil || !sinks.IsOnThisMachine(spec) {
		return
	}
	_, shared := sinks.SharedFolderOf(spec, spec.TargetTemplate())
	v.require(shared, p.child("shared"), "with state.etcd, files must lie on one file system that all replicas see: "+
		"else each leader would find those of the one before missing, and mint anew for all",
		"say shared: true if they do; else keep values in another type of sink")
}

func (v *validator) checkEtcd(e *Etcd, p *path) {
	v.checkEndpoints(e.Endpoints, p.child("endpoints"))
	at := p.child("prefix")
	v.require(prefixPattern.MatchString(e.Prefix), at,
		"must be one or several parts of letters, digits, ., _ and -, each behind a single /"+butNot(at, e.Prefix), "such as /rotatord")
	if len(e.Endpoints) > 0 && schemeOf(e.Endpoints[0]) == "http" {
		v.refuseTLSKeys(e, p)
	}
	v.checkPair(p, "cert_file", e.CertFile != "", "key_file", e.KeyFile != "")
	v.checkPair(p, "username", e.Username != "", "password", e.Password != secret.Source{})
	if (e.Password != secret.Source{}) {
		v.checkSource(p.child("password"), e.Password)
	}
	at = p.child("lease_ttl")
	v.require(e.LeaseTTL%time.Second == 0 && shortestLease <= e.LeaseTTL && e.LeaseTTL <= longestLease, at,
		fmt.Sprintf("must be whole seconds from %s to %s, not %s",
			formatDuration(shortestLease), formatDuration(longestLease), formatDuration(e.LeaseTTL)),
		"it is how long a leader that is gone is missed before another leads")
}

// refuseTLSKeys refuses what plain http has no use for.
func (v *validator) refuseTLSKeys(e *Etcd, p *path) {
	for key, value := range map[string]string{"ca_file": e.CAFile, "cert_file": e.CertFile, "key_file": e.KeyFile} {
		v.require(value == "", p.child(key), "has no meaning with plain http", "remove it, or use https endpoints")
	}
}

// checkPair refuses one of two keys without the other.
func (v *validator) checkPair(p *path, one string, hasOne bool, other string, hasOther bool) {
	v.require(hasOther || !hasOne, p.child(other), "is required with "+one, "give both, or neither")
	v.require(hasOne || !hasOther, p.child(one), "is required with "+other, "give both, or neither")
}

func (v *validator) checkEndpoints(list []string, p *path) {
	v.require(len(list) > 0, p, "is required", "each member's address, such as [https://etcd-1.example:2379]")
	first := map[string]int{}
	for i, address := range list {
		at := p.item(i)
		if text, hint := wrongEndpoint(address); text != "" {
			v.diagnose(at, text+butNot(at, address), hint)
			continue
		}
		if before, twice := first[address]; twice {
			v.diagnose(at, fmt.Sprintf("this address already stands in entry %d", before+1), "keep one of them")
			continue
		}
		first[address] = i
		v.require(schemeOf(address) == schemeOf(list[0]), at, "is of another scheme than the first", "https for all, or http for all")
	}
}

func schemeOf(address string) string {
	scheme, _, _ := strings.Cut(address, "://")
	return scheme
}

// wrongEndpoint says why an address is none of etcd's; "" when it may be one.
func wrongEndpoint(address string) (text, hint string) {
	const example = "https://etcd-1.example:2379"
	u, text, hint := parseAddress(address, example)
	switch {
	case text != "":
		return text, hint
	case u.Scheme == "http" && !sinks.IsLoopback(u.Hostname()):
		return "plain http would show every record to the network, and who hears it could write them", "use https; http is for loopback alone"
	}
	return "", ""
}

// wrongAdvertise says why other replicas cannot reach this one at an address; "" when they may.
func wrongAdvertise(address string) (text, hint string) {
	const example = "https://rotatord-1.example:9476"
	u, text, hint := parseAddress(address, example)
	if text == "" && u.Scheme != "https" {
		return "must begin with https://", "replicas talk to each other over TLS alone: give server.web_config_file a certificate"
	}
	return text, hint
}

// parseAddress reads https://host:port or http://host:port, behind which nothing stands; text says why it is none.
func parseAddress(address, example string) (u *url.URL, text, hint string) {
	hint = "such as " + example
	if strings.Contains(address, ",") {
		return nil, "must be one address", "give each an entry of its own: [https://…, https://…]"
	}
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
		return nil, "must begin with https://", hint
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, "must be https://host:port", hint + "; an IPv6 address stands in brackets"
	case u.User != nil:
		return nil, "must hold no user and no password", hint
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(address, "#"):
		return nil, "must end with the port", hint
	case u.Port() == "":
		return nil, "must name the port", hint
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
		return nil, "the port must be a number from 1 to 65535", hint
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.Unmap().IsUnspecified() {
		return nil, "names no machine: " + u.Hostname() + " is for listening", hint
	}
	if wrong, _ := wrongHost(u.Hostname()); wrong != "" {
		return nil, "its host is neither one machine's IP address nor a name", hint
	}
	return u, "", ""
}

// checkAdvertise warns of an address that nobody asks for, or where nobody will answer.
func (v *validator) checkAdvertise(s Server, p *path) {
	if s.Advertise == "" {
		return
	}
	if text, hint := wrongAdvertise(s.Advertise); text != "" {
		v.diagnose(p, text+butNot(p, s.Advertise), hint)
		return
	}
	v.require(s.Listen != "", p, "nobody answers there: server.listen is off", "give server.listen an address")
	switch {
	case v.cfg.State.Etcd == nil:
		v.warn(p, "has no meaning without state.etcd: there is no other replica", "remove it")
	case s.WebConfigFile == "":
		v.warn(p, "other replicas reach this one over TLS alone, and server.web_config_file, which holds its certificate, is not given",
			"give it; without it a standby tells who leads and passes nothing on")
	}
}
