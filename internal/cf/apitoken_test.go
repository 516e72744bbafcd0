package cf_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
)

func TestTheAPITokenIsVerifiedWhoeverOwnsIt(t *testing.T) {
	ends := time.Now().Add(20 * day).UTC().Truncate(time.Second)
	for name, tt := range map[string]struct {
		owner  cfsim.Owner
		status string
		ends   time.Time
		want   cf.APIToken
		calls  int
	}{
		"the account's":  {cfsim.OwnedByAccount, "", ends, cf.APIToken{Status: "active", Expires: ends}, 1},
		"a user's":       {cfsim.OwnedByUser, "", ends, cf.APIToken{Status: "active", Expires: ends}, 2},
		"without an end": {cfsim.OwnedByUser, "", time.Time{}, cf.APIToken{Status: "active"}, 2},
		"one turned off": {cfsim.OwnedByAccount, "disabled", ends, cf.APIToken{Status: "disabled", Expires: ends}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(cfsim.Options{})
			sim.SetAPIToken(apiToken, tt.owner, tt.status, tt.ends)
			got, err := newClient(t, sim.Transport()).VerifyToken(t.Context(), routine())
			if err != nil || got != tt.want || got.IsActive() != (tt.status == "") {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
			if n := sim.Counts()[cfsim.VerifyToken]; n != tt.calls {
				t.Errorf("%d calls, want %d", n, tt.calls)
			}
		})
	}
}

// Who may not ask how the API token stands may do all the rest.
func TestARefusalToVerifyIsNoFailureOfTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{401, 403, 404} {
			sim, w := newSim(cfsim.Options{}), &watcher{}
			refused := cfsim.Fault{Kind: cfsim.Instead, Status: status, Body: `{"success":false,"errors":[{"code":1,"message":"no"}]}`}
			sim.Next(cfsim.VerifyToken, refused, refused)
			c := newClient(t, sim.Transport(), func(o *cf.Options) { o.Observer = w })
			if got, err := c.VerifyToken(t.Context(), routine()); err != nil || got != (cf.APIToken{}) {
				t.Errorf("got %+v, %v", got, err)
			}
			line := fmt.Sprintf("main verify %d 0s", status)
			if got := w.seen(); got != line+"\n"+line {
				t.Errorf("observed %q", got)
			}
		}
	})
}

func TestAVerificationThatTellsNothingIsAnError(t *testing.T) {
	sim := newSim(cfsim.Options{})
	sim.Next(cfsim.VerifyToken, cfsim.Fault{Kind: cfsim.Instead, Body: `{"success":true,"errors":[],"result":{"id":"x"}}`})
	_, err := newClient(t, sim.Transport()).VerifyToken(t.Context(), routine())
	wantFault(t, err, fault.Retry, fault.BadAnswer)
}
