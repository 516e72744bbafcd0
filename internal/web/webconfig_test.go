package web

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestARenewedCertificateIsServedWithoutARestartAndABrokenOneNever(t *testing.T) {
	a, next := newAuthority(t), newAuthority(t)
	a.issue(t, "server")
	next.issue(t, "server")
	var log logged
	s := public(t, newDaemon(), a.dir, "tls_server_config: {cert_file: server.pem, key_file: server.key}\n", &log)
	serves := func(who *authority) bool {
		status, _ := call(t, who.client(), "GET", "https://"+s.Addr()+"/-/healthy", "", "")
		return status == http.StatusOK
	}
	take := func(name string) {
		writeFile(t, filepath.Join(a.dir, name), string(must(os.ReadFile(filepath.Join(next.dir, name)))))
	}
	if !serves(a) {
		t.Fatal("the first is not served")
	}
	take("server.pem") // its key is not there yet
	if first, again := serves(a), serves(a); !first || !again {
		t.Error("half a renewal ends what was served")
	}
	if n := strings.Count(log.String(), "stays in force"); n != 1 {
		t.Errorf("that is told %d times: %s", n, log.String())
	}
	take("server.key")
	if !serves(next) || serves(a) {
		t.Error("the renewed certificate is not served")
	}
}

func TestAChangeOfTheFileCountsAtOnceAndAWrongOneChangesNothing(t *testing.T) {
	dir := t.TempDir()
	var log logged
	s := public(t, newDaemon(), dir, users(), &log)
	status := func() int {
		code, _ := call(t, http.DefaultClient, "GET", "http://"+s.Addr()+"/", "ada", password)
		return code
	}
	for _, step := range []struct {
		name, file string
		want       int
	}{
		{"an unknown key", "bsic_auth_users: {}\n", 200},
		{"a password in clear", "basic_auth_users: {ada: secret}\n", 200},
		{"a header that may not be set", users() + "http_server_config: {headers: {Set-Cookie: x}}\n", 200},
		{"another user", strings.ReplaceAll(users(), "ada", "bob"), 401},
	} {
		writeFile(t, filepath.Join(dir, "web.yml"), step.file)
		if got := status(); got != step.want {
			t.Errorf("%s: %d, want %d", step.name, got, step.want)
		}
	}
	if n := strings.Count(log.String(), "stays in force"); n != 3 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	if strings.Contains(log.String(), "$2a$") {
		t.Error("a hash is logged")
	}
}
