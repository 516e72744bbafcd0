package e2e

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/test/harness"
)

// newShiftedWorld is one whose rotatord has a clock of its own. Its Cloudflare's stays right.
func newShiftedWorld(t *testing.T, relays int) (*world, *harness.Clock) {
	t.Helper()
	w, clock := newWorld(t, relays), harness.NewClock(t)
	w.binary, w.env = shifted, append(w.env, clock.Env())
	return w, clock
}

// theirs is how far a Cloudflare's clock is ahead of the true time.
type theirs struct{ ahead atomic.Int64 }

func (c *theirs) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *theirs) setAhead(d time.Duration) { c.ahead.Store(int64(d)) }

// newTimedWorld is one in which a test moves both clocks: with both as far ahead, so much time has passed.
func newTimedWorld(t *testing.T) (*world, *harness.Clock, *theirs) {
	t.Helper()
	cloudflares, clock := &theirs{}, harness.NewClock(t)
	w := newWorldWith(t, cfsim.Options{Now: cloudflares.now})
	w.binary, w.env = shifted, append(w.env, clock.Env())
	return w, clock, cloudflares
}

func TestAClockThatIsWrongIsToldEverywhere(t *testing.T) {
	t.Parallel()
	w, clock := newShiftedWorld(t, 1)
	clock.SetAhead(3 * time.Hour)
	w.configure(settings{})
	d := w.start()
	d.predict(expectations{"clock_offset_seconds account=main": between(3*3600-1, 3*3600+10), "clock_steps_total": is(0)})
	const told = "this machine's clock is 3 h ahead of Cloudflare's"
	d.says(told, "account")
	w.rotatord("status").Expect(t, 0, "account main: "+told)
	w.rotatord("check", "--online").Expect(t, 0, "warn", "account main: "+told)
	for _, path := range []string{"/", "/api/v1/slots"} {
		if _, body, err := d.get(path); err != nil || !strings.Contains(strings.ReplaceAll(body, "&#39;", "'"), told) {
			t.Errorf("%s does not tell it: %v\n%s", path, err, body)
		}
	}
	if n := strings.Count(d.logs.String(), told); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
}

func TestAStepOfTheClockIsLoggedAndCounted(t *testing.T) {
	t.Parallel()
	w, clock := newShiftedWorld(t, 1)
	w.configure(settings{})
	d := w.start()
	d.predict(expectations{"clock_offset_seconds account=main": between(-1, 10)})
	clock.SetAhead(-time.Hour)
	d.says("somebody set this machine's clock", `"from"`, `"to"`, `"by"`)
	d.says("this machine's clock is 1 h behind Cloudflare's")
	d.predict(expectations{"clock_steps_total": is(1), "clock_offset_seconds account=main": between(-3601, -3590)})
	clock.SetAhead(0)
	d.says("this machine's clock agrees with Cloudflare's again")
	d.predict(expectations{"clock_steps_total": is(2)})
}

// Nothing but the token's own life shows what was asked for.
func TestATokenIsAskedForByCloudflaresClock(t *testing.T) {
	t.Parallel()
	w, clock := newShiftedWorld(t, 1)
	clock.SetAhead(-40 * 24 * time.Hour)
	w.configure(settings{Defaults: `{schedule: manual, initial: now, lifetime: 720h, sinks: [disk]}`})
	d := w.start()
	d.served(0, "live/subscribe")
	for _, token := range d.sim.Tokens(harness.RelayID(0)) {
		if life := token.Expires.Sub(token.Created).Round(time.Hour); token.Label != "" && life != 720*time.Hour {
			t.Errorf("it lives %s", life)
		}
	}
}

func TestTheAccountsOwnAPITokenIsToldBeforeItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ends := time.Now().AddDate(0, 0, 29).Truncate(time.Second)
	w.sim.SetAPIToken(harness.APIToken, 0, "", ends)
	w.configure(settings{})
	d := w.start()
	d.predict(expectations{
		"account_token_expiry_timestamp_seconds account=main":              is(float64(ends.Unix())),
		"cloudflare_requests_total account=main operation=verify code=200": is(1),
	})
	told := "the account's API token expires on " + ends.UTC().Format("2006-01-02 15:04:05Z")
	d.says(told)
	w.rotatord("status").Expect(t, 0, "account main: "+told)
	w.rotatord("check", "--online").Expect(t, 0, "warn", "account main: "+told)
	if status, body, err := d.ask(http.MethodGet, "/"); err != nil || !strings.Contains(body, "API token expires on") {
		t.Errorf("the page does not tell it: %d, %v", status, err)
	}
}
