package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

// withReplicas is base with state.etcd, in which more stands.
func withReplicas(more string) string {
	return base + "state: {identity_file: /i, etcd: {endpoints: ['https://etcd.example:2379'], " + more + "}}\n"
}

func TestEtcdIsReadWithItsDefaults(t *testing.T) {
	e := parse(t, withReplicas("")).State.Etcd
	if len(e.Endpoints) != 1 || e.Prefix != "/rotatord" || e.LeaseTTL != 10*time.Second {
		t.Errorf("got %+v", e)
	}
	e = parse(t, withReplicas("prefix: /a/b, ca_file: /ca, cert_file: /c, key_file: /k, username: u, password: {file: /p}, lease_ttl: 1m")).State.Etcd
	if got := fmt.Sprint(*e); got != "{[https://etcd.example:2379] /a/b /ca /c /k u file /p 1m0s}" {
		t.Errorf("got %s", got)
	}
}

func TestWhatIsNoMembersAddressIsRefused(t *testing.T) {
	for address, why := range map[string]string{
		"https://etcd.example:2379": "", "https://10.0.0.1:1": "", "https://[fd00::1]:65535": "", "http://127.0.0.1:2379": "",
		"http://localhost:2379": "", "http://[::1]:2379": "",
		"etcd.example:2379": "begin with https://", "etcd:2379": "begin with https://", "": "begin with https://", "unix:///run/etcd": "begin with https://",
		"HTTPS://etcd.example:2379": "begin with https://", "//etcd.example:2379": "begin with https://",
		"http://etcd.example:2379": "loopback alone", "http://10.0.0.1:2379": "loopback alone",
		"https://": "host:port", "https://:2379": "host:port", "https://fd00::1:2379": "brackets", "https://etcd.example:port": "host:port", "https://a b:1": "host:port",
		"https://etcd.example": "name the port", "https://etcd.example:": "name the port", "https://[fd00::1]": "name the port",
		"https://etcd.example:0": "65535", "https://etcd.example:65536": "65535",
		"https://etcd.example:2379/": "end with the port", "https://etcd.example:2379/v3": "end with the port", "https://etcd.example:2379?a=b": "end with the port",
		"https://etcd.example:2379?": "end with the port", "https://etcd.example:2379#": "end with the port",
		"https://a:1,https://b:1": "one address", "https://u:p@etcd.example:2379": "no user", "https://0.0.0.0:2379": "no machine", "https://[::]:2379": "no machine",
		"https://224.0.0.1:2379": "one machine's", "https://256.1.1.1:2379": "one machine's", "https://-a:2379": "one machine's",
	} {
		text := strings.Replace(withReplicas(""), "https://etcd.example:2379", address, 1)
		if why == "" {
			parse(t, text)
			continue
		}
		if got := diagnosticsOf(t, text); !strings.Contains(got, ": state.etcd.endpoints[0]: ") || !strings.Contains(got, why) || strings.Contains(got, "\n") {
			t.Errorf("%q: %s, want one about %q", address, got, why)
		}
	}
}

func TestWhatEtcdCannotBeReachedWithIsRefused(t *testing.T) {
	endpoints := func(list string) string {
		return strings.Replace(withReplicas(""), "'https://etcd.example:2379'", list, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"no endpoint": {base + "state: {identity_file: /i, etcd: }\n",
			"12:28: state.etcd.endpoints: is required (each member's address, such as [https://etcd-1.example:2379])"},
		"an empty list": {endpoints(""), "12:35: state.etcd.endpoints: is required (each member's address, such as [https://etcd-1.example:2379])"},
		"one word": {strings.Replace(withReplicas(""), "['https://etcd.example:2379']", "https://etcd.example:2379", 1),
			"12:35: state.etcd.endpoints: must be a list (write it as [one, two])"},
		"a member twice": {endpoints("https://a:1, https://b:1, https://a:1"),
			"12:73: state.etcd.endpoints[2]: this address already stands in entry 1 (keep one of them)"},
		"two schemes": {endpoints("https://a:1, http://127.0.0.1:1"),
			"12:60: state.etcd.endpoints[1]: is of another scheme than the first (https for all, or http for all)"},
		"an unknown key": {withReplicas("lease_tll: 3s"), "12:77: state.etcd.lease_tll: unknown key (did you mean lease_ttl?)"},
		"a lease too short": {withReplicas("lease_ttl: 2s"),
			"12:77: state.etcd.lease_ttl: must be whole seconds from 3s to 1m, not 2s (it is how long a leader that is gone is missed before another leads)"},
		"a lease too long": {withReplicas("lease_ttl: 61s"),
			"12:77: state.etcd.lease_ttl: must be whole seconds from 3s to 1m, not 1m1s (it is how long a leader that is gone is missed before another leads)"},
		"half a second": {withReplicas("lease_ttl: 3500ms"),
			"12:77: state.etcd.lease_ttl: must be whole seconds from 3s to 1m, not 3.5s (it is how long a leader that is gone is missed before another leads)"},
		"a certificate without a key": {withReplicas("cert_file: /c"), "12:28: state.etcd.key_file: is required with cert_file (give both, or neither)"},
		"a key without a certificate": {withReplicas("key_file: /c"), "12:28: state.etcd.cert_file: is required with key_file (give both, or neither)"},
		"a name without a password":   {withReplicas("username: u"), "12:28: state.etcd.password: is required with username (give both, or neither)"},
		"a password without a name":   {withReplicas("password: {env: P}"), "12:28: state.etcd.username: is required with password (give both, or neither)"},
		"a password in the file": {withReplicas("username: u, password: hunter2hunter2"),
			"12:90: state.etcd.password: must say where the secret is found, not hold the secret (write {env: NAME}, {file: PATH} or {credential: NAME})"},
		"two passwords": {withReplicas("username: u, password: {env: P, file: /p}"),
			"12:90: state.etcd.password: exactly one of env, file, credential must be given (write {env: NAME}, {file: PATH} or {credential: NAME})"},
		"no mapping": {base + "state: {identity_file: /i, etcd: yes}\n", "12:28: state.etcd: must be a mapping of keys to values"},
		"TLS over plain http": {strings.Replace(withReplicas("ca_file: /c"), "https://etcd.example", "http://127.0.0.1", 1),
			"12:73: state.etcd.ca_file: has no meaning with plain http (remove it, or use https endpoints)"},
		"no identity": {strings.Replace(withReplicas(""), "identity_file: /i, ", "", 1),
			"12:1: state.identity_file: is required with state.etcd: each replica must open what another has sealed " +
				"(make one with age-keygen -o FILE, give it to each replica, mode 0600, and name it here)"},
	} {
		if got := diagnosticsOf(t, c.text); got != "config.yaml:"+c.want {
			t.Errorf("%s: got\n%s\nwant\nconfig.yaml:%s", name, got, c.want)
		}
	}
}

func TestWhatEveryKeyInEtcdBeginsWithIsOnePath(t *testing.T) {
	for prefix, good := range map[string]bool{
		"/rotatord": true, "/a/b.c-d_E9": true,
		"": false, "/": false, "rotatord": false, "/rotatord/": false, "//rotatord": false, "/a//b": false, "/a b": false, "/ü": false, "/a\\0": false,
	} {
		text := withReplicas(`prefix: "` + prefix + `"`)
		if good {
			parse(t, text)
		} else if got := diagnosticsOf(t, text); !strings.Contains(got, "12:77: state.etcd.prefix: must be one or several parts") {
			t.Errorf("%q: %s", prefix, got)
		}
	}
}

// files is a configuration with sinks of files, as they are.
func files(state, sink, ref string) string {
	text := strings.Replace(base, "disk: {type: file,", "disk: {type: file, "+sink, 1)
	text = strings.Replace(text, `{type: vault, path: "moq`, `{type: vault, address: "https://v:8200", auth: {token: {file: /t}}, path: "moq`, 1)
	return strings.Replace(text, "[disk]", "["+ref+"]", 1) + state
}

const etcdState = "state: {identity_file: /i, etcd: {endpoints: [https://etcd.example:2379]}}\n"

func TestWithEtcdFilesMustBeOneForAllReplicas(t *testing.T) {
	_, err := Parse("config.yaml", []byte(files(etcdState, "", "disk")), all.Specs())
	want := "config.yaml:4:3: sinks.disk.shared: with state.etcd, files must lie on one file system that all replicas see: " +
		"else each leader would find those of the one before missing, and mint anew for all " +
		"(say shared: true if they do; else keep values in another type of sink)"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	for name, text := range map[string]string{
		"shared":               files(etcdState, "shared: true,", "disk"),
		"on one machine":       files("", "", "disk"),
		"shared, and with one": files("", "shared: true,", "disk"),
	} {
		if cfg, err := Parse("config.yaml", []byte(text), all.Specs()); err != nil || len(besideUnused(cfg)) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheFoldersThatReplicasShareAreThoseOfTargets(t *testing.T) {
	for text, want := range map[string]string{
		files(etcdState, "shared: true,", "disk"):                                                        "[{disk /moq}]",
		files(etcdState, "shared: true,", "disk, {sink: disk, path: '/b/c-{{.Type}}'}"):                  "[{disk /b} {disk /moq}]",
		files(etcdState, "shared: true,", "{sink: disk, path: '/b/c/'}"):                                 "",
		files(etcdState, "shared: true,", "{sink: disk, path: '/b/c/d'}"):                                "[{disk /b/c}]",
		files(etcdState, "shared: true,", "safe"):                                                        "[]",
		files("", "shared: true,", "disk"):                                                               "[]",
		strings.Replace(files(etcdState, "shared: true,", "disk"), "/moq/", "/srv/moq/{{.Account}}/", 1): "[{disk /srv/moq}]",
	} {
		cfg, err := Parse("config.yaml", []byte(text), all.Specs())
		if want == "" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(cfg.SharedFolders()); got != want || !slices.Equal(cfg.WithoutFleet().SharedFolders(), cfg.SharedFolders()) {
			t.Errorf("%s:\ngot %s, want %s", text, got, want)
		}
	}
}

func TestWhereOtherReplicasReachThisOneIsChecked(t *testing.T) {
	server := func(etcd, keys string) string { return base + "server: {" + keys + "}\n" + etcd }
	const tls = ", web_config_file: /w"
	for keys, why := range map[string]string{
		"advertise: 'https://a.example:9476'" + tls:             "",
		"advertise: 'https://127.0.0.1:9476'" + tls:             "",
		"advertise: 'http://a.example:9476'" + tls:              `must begin with https://, not "http://a.example:9476" (replicas talk to each other over TLS alone`,
		"advertise: 'a.example:9476'" + tls:                     `must begin with https://, not "a.example:9476" (such as https://rotatord-1.example:9476)`,
		"advertise: 'https://a.example'" + tls:                  "must name the port",
		"advertise: 'https://0.0.0.0:9476'" + tls:               "names no machine",
		"advertise: 'https://a.example:9476', listen: ''" + tls: "nobody answers there: server.listen is off (give server.listen an address)",
	} {
		if why == "" {
			if got := besideUnused(parse(t, server(etcdState, keys))); len(got) > 0 {
				t.Errorf("%s: %v", keys, got)
			}
			continue
		}
		if got := diagnosticsOf(t, server(etcdState, keys)); !strings.Contains(got, "config.yaml:12:10: server.advertise: "+why) {
			t.Errorf("%s: %s", keys, got)
		}
	}
	for text, want := range map[string]string{
		server("", "advertise: 'https://a.example:9476'"+tls):    "has no meaning without state.etcd",
		server(etcdState, "advertise: 'https://a.example:9476'"): "server.web_config_file",
	} {
		if got := besideUnused(parse(t, text)).Error(); !strings.Contains(got, "server.advertise: ") || !strings.Contains(got, want) {
			t.Errorf("got %q, want a warning: %s", got, want)
		}
	}
}

func TestTheEnvironmentStandsInWhereTheFileDoesNotSayHowThisReplicaIsReached(t *testing.T) {
	silent := parse(t, base+etcdState)
	said := parse(t, base+"server: {advertise: 'https://file.example:1', web_config_file: /w}\n"+etcdState)
	env := secret.NewEnvironment([]string{"ROTATORD_ADVERTISE=https://env.example:1"})
	for _, c := range []struct {
		cfg  *Config
		env  secret.Environment
		want string
	}{{silent, nil, ""}, {silent, env, "https://env.example:1"}, {said, env, "https://file.example:1"}, {said, nil, "https://file.example:1"}} {
		if got, err := c.cfg.Advertised(c.env); err != nil || got != c.want {
			t.Errorf("got %q, %v, want %q", got, err, c.want)
		}
	}
	wrong := secret.NewEnvironment([]string{"ROTATORD_ADVERTISE=https://fd00::1:9476"})
	_, err := silent.Advertised(wrong)
	if err == nil || err.Error() != "ROTATORD_ADVERTISE: must be https://host:port (such as https://rotatord-1.example:9476; an IPv6 address stands in brackets)" {
		t.Errorf("got %v", err)
	}
}
