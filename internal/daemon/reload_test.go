package daemon

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
)

func TestAReloadWithASinkThatCannotBeOpenedIsASuccessThatSaysSo(t *testing.T) {
	o := newOpening(t)
	o.vault.CAFile = o.path("gone.pem")
	sees, lines := observer.New(zapcore.WarnLevel)
	d := o.daemon(t)
	d.log = zap.New(sees)
	wantToldOnce := func(when string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		told := slices.DeleteFunc(lines.TakeAll(), func(l observer.LoggedEntry) bool { return l.ContextMap()["sink"] != "vault" })
		if len(told) != 1 || !strings.Contains(fmt.Sprint(told[0].ContextMap()["error"]), "gone.pem") {
			t.Errorf("%s: %v", when, told)
		}
	}
	wantToldOnce("at start", d.open(t.Context(), o.cfg))
	found, err := d.apply(t.Context(), o.cfg, d.core.Load().engine)
	wantToldOnce("at a reload", err)
	if len(found) != 1 {
		t.Errorf("the reload found %v", found)
	}
	if up := scrape(d, `rotatord_sink_up{sink="vault"}`); up != "0" {
		t.Errorf("sink_up is %q", up)
	}
}

func TestAReloadHasKeptSinksReadAgainWhatLiesOnDisk(t *testing.T) {
	o := newOpening(t)
	o.put(t, "aws-credentials", strings.Replace(awsKeys, awstest.AccessKeyID, "AKIAOLD", 1))
	sees, lines := observer.New(zapcore.WarnLevel)
	d := o.daemon(t)
	d.log = zap.New(sees)
	if err := d.open(t.Context(), o.cfg); err != nil {
		t.Fatal(err)
	}
	before := d.backends.Load().sinks["aws"]
	reload := func() []trouble {
		found, err := d.apply(t.Context(), o.cfg, d.core.Load().engine)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}

	same := func() bool { return d.backends.Load().sinks["aws"] == before }
	if found := reload(); len(found) > 0 || !same() {
		t.Errorf("troubles: %v; nothing changed, and those who wait are let go: %t", found, !same())
	}
	o.put(t, "aws-credentials", awsKeys)
	if found := reload(); len(found) > 0 || same() {
		t.Errorf("troubles: %v; the keys changed, and those who waited are let go: %t", found, !same())
	}
	if err := try(t, d.backends.Load(), "aws"); err != nil || len(o.awsCalls()) != 1 {
		t.Errorf("%v; calls: %q, want one, with the new keys", err, o.awsCalls())
	}

	o.put(t, "aws-credentials", "[defau")
	_ = lines.TakeAll()
	if found := reload(); len(found) != 1 || found[0].name != "aws" || !found[0].works {
		t.Errorf("troubles: %v, want one of a sink that works", found)
	}
	if told := lines.TakeAll(); len(told) != 1 || !strings.Contains(told[0].Message, "what was read before stays in use") {
		t.Errorf("told: %v", told)
	}
	if err := try(t, d.backends.Load(), "aws"); err != nil {
		t.Errorf("with a file that is half written: %v", err)
	}
	if up := scrape(d, `rotatord_sink_up{sink="aws"}`); up != "1" {
		t.Errorf("sink_up is %q", up)
	}
}

// scrape returns the value of one series; "" when it is not there.
func scrape(d *daemon, series string) string {
	w := httptest.NewRecorder()
	d.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	_, rest, _ := strings.Cut(w.Body.String(), "\n"+series+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}
