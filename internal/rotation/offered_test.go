package rotation

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func notOffered() error {
	return fault.Newf(fault.Permanent, fault.NotOffered, "create token", "for it", "404: 7003 Could not route").WithHint("set the other strategy")
}

func TestWhatWasOfferedBeforeIsAnotherAccountsOrAnotherTokensFault(t *testing.T) {
	for name, c := range map[string]struct {
		strategy moq.Strategy
		worked   bool
		hint     string
	}{
		"overlap, new":        {moq.Overlap, false, "set the other strategy"},
		"overlap, has worked": {moq.Overlap, true, "overlap has worked for this slot, so its account offers it: check account_id, and whose API token it is"},
		"in_place":            {moq.InPlace, true, "set the other strategy"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, c.strategy, 1, "vault")
				defer f.kill()
				if c.worked {
					f.afterADay(func() { f.account.fails(0, notOffered()) })
				} else {
					f.account.fails(0, notOffered())
					f.start()
					synctest.Wait()
				}
				st, _ := f.engine.StatusOf("relay0", string(moq.Subscribe))
				if st.Failure == nil || st.Failure.Reason != string(fault.NotOffered) || !strings.Contains(st.Failure.Message, "404: 7003 Could not route ("+c.hint) {
					t.Errorf("failure = %+v, want the hint %q", st.Failure, c.hint)
				}
			})
		})
	}
}

func TestAnErrorThatIsExplainedStaysOfWhomItIs(t *testing.T) {
	of := []blame{{upstream: upstream{account: true, name: testAccount}}}
	if got := WithOfferedHint(&upstreamError{notOffered(), of}); len(blamesOf(got)) != 1 || fault.Of(got).Reason != fault.NotOffered {
		t.Errorf("%v is of %v", got, blamesOf(got))
	}
	other := errors.New("another")
	if got := WithOfferedHint(other); got != other {
		t.Errorf("another error became %v", got)
	}
}

// A slot that went over to in_place still has tokens to revoke.
func TestAfterAChangeOfStrategyEachCallHasItsOwnHint(t *testing.T) {
	s := &worker{memory: memory{plan: &slot.Plan{Policy: &slot.Policy{Strategy: moq.InPlace}}, record: slot.Record{Retiring: []slot.Token{{ID: "a"}}}}}
	for where, want := range map[slot.Stage]string{slot.StageMint: "set the other strategy", slot.StageRetire: "leave the strategy as it is"} {
		if got := s.correctHint(where, notOffered()); !strings.Contains(got.Error(), want) {
			t.Errorf("%s: %v, want %q", where, got, want)
		}
	}
}

func TestTokensThatOverlapMadeAreRemembered(t *testing.T) {
	for name, c := range map[string]struct {
		r    slot.Record
		want bool
	}{
		"new":                {slot.Record{}, false},
		"in_place":           {slot.Record{Current: &slot.Token{}, Rotation: &slot.Rotation{Token: &slot.Token{}}}, false},
		"served":             {slot.Record{Current: &slot.Token{ID: "a"}}, true},
		"not yet delivered":  {slot.Record{Rotation: &slot.Rotation{Token: &slot.Token{ID: "a"}}}, true},
		"once, before today": {slot.Record{Current: &slot.Token{}, Retiring: []slot.Token{{ID: "a"}}}, true},
	} {
		if got := c.r.HasTokenWithID(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
