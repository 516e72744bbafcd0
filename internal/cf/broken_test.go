package cf_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

func TestFailuresOnTheWay(t *testing.T) {
	tests := []struct {
		fault  cfsim.Fault
		unsure bool // Ambiguous for minting calls
		reason fault.Reason
	}{
		{cfsim.Fault{Kind: cfsim.Refused}, false, fault.Unreachable},
		{cfsim.Fault{Kind: cfsim.LostBefore}, true, fault.Unreachable},
		{cfsim.Fault{Kind: cfsim.LostAfter}, true, fault.Unreachable},
		{cfsim.Fault{Kind: cfsim.ErrorBefore}, true, fault.ServerError},
		{cfsim.Fault{Kind: cfsim.ErrorAfter, Status: 503}, true, fault.ServerError},
		{cfsim.Fault{Kind: cfsim.Truncated}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Unsuccessful}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Slow, Delay: time.Minute}, true, fault.Timeout},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: "<html>"}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: ""}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: "[]"}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: `{"result":{}}`}, true, fault.BadAnswer},
		{cfsim.Fault{Kind: cfsim.Garbage, Body: `{"success":true}` + strings.Repeat(" ", 1<<20)}, true, fault.BadAnswer},
	}
	for _, tt := range tests {
		for _, o := range operations {
			t.Run(string(tt.fault.Kind)+" on "+o.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sim := newSim(cfsim.Options{})
					sim.Next(o.op, tt.fault)
					class := fault.Retry
					if tt.unsure && o.mints {
						class = fault.Ambiguous
					}
					err := o.run(t, newClient(t, sim.Transport()))
					wantFault(t, err, class, tt.reason)
					wantText(t, err, relayID, "account main")
				})
			})
		}
	}
}

// What net/http says of it (request canceled, a client's timeout) tells no person what happened.
func TestACallThatIsNeverAnsweredIsToldInOurWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(cfsim.Options{})
		sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.Slow, Delay: time.Hour})
		_, err := newClient(t, sim.Transport()).List(t.Context(), moq.Priority{}, relayID)
		wantFault(t, err, fault.Retry, fault.Timeout)
		wantText(t, err, "no answer from ", " within 30s")
		if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "net/http") || strings.Contains(err.Error(), "deadline") {
			t.Errorf("%v", err)
		}
	})
}

func TestContextThatEndsInTheQueueChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, budget := newSim(cfsim.Options{}), cf.NewBudget(1, time.Hour, 1)
		c := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget = budget })
		if err := operations[1].run(t, c); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Rotate(ctx, routine(), relayID, moq.Subscribe)
		wantFault(t, err, fault.Retry, fault.Timeout)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error("the context's error is lost")
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		_, err = c.Rotate(ctx, routine(), relayID, moq.Subscribe)
		wantFault(t, err, fault.Retry, fault.Canceled)
		if n := sim.Counts()[cfsim.Rotate]; n != 0 {
			t.Errorf("%d rotations", n)
		}
	})
}

func TestContextThatEndsInFlightLeavesAMintOpen(t *testing.T) {
	for _, o := range operations {
		synctest.Test(t, func(t *testing.T) {
			sim := newSim(cfsim.Options{Latency: time.Second})
			c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
				ctx, cancel := context.WithCancel(r.Context())
				time.AfterFunc(time.Millisecond, cancel)
				return sim.Transport().RoundTrip(r.WithContext(ctx))
			}))
			class := fault.Retry
			if o.mints {
				class = fault.Ambiguous
			}
			wantFault(t, o.run(t, c), class, fault.Canceled)
		})
	}
}

func TestAnswerIsKeptThoughTheContextEndedMeanwhile(t *testing.T) {
	sim := newSim(cfsim.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		defer cancel()
		return sim.Transport().RoundTrip(r)
	}))
	made, err := c.Create(ctx, routine(), relayID, moq.NewToken{Operations: moq.Subscribe.Operations()})
	if err != nil || !sim.Accepts(relayID, made.Value.Reveal()) {
		t.Errorf("the minted token was thrown away: %v", err)
	}
}

func TestTransportThatCannotBeTracedIsNeverCertain(t *testing.T) {
	c := newClient(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("odd") }))
	wantFault(t, operations[3].run(t, c), fault.Ambiguous, fault.Unreachable)
}

// Over real sockets: what never left is Retry, whatever the call.
func TestConnectionsThatWereNeverMade(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + listener.Addr().String()
	_ = listener.Close()
	untrusted := httptest.NewUnstartedServer(newSim(cfsim.Options{}))
	untrusted.Config.ErrorLog = zap.NewStdLog(zap.NewNop()) // it complains of our mistrust
	untrusted.StartTLS()
	defer untrusted.Close()
	nameless := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "cloudflare.invalid", IsNotFound: true}}
	}}
	for name, change := range map[string]func(*cf.Options){
		"refused":               func(o *cf.Options) { o.APIURL, o.HTTP = closed, nil },
		"untrusted certificate": func(o *cf.Options) { o.APIURL, o.HTTP = untrusted.URL, nil },
		"no such host":          func(o *cf.Options) { o.HTTP = &http.Client{Transport: nameless} },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, nil, change)
			for _, o := range operations {
				err := o.run(t, c)
				wantFault(t, err, fault.Retry, fault.Unreachable)
				wantText(t, err, "no answer from", "api_url")
			}
		})
	}
}

func TestRealServerThatBreaksTheConnection(t *testing.T) {
	sim := newSim(cfsim.Options{})
	server := httptest.NewServer(sim)
	defer server.Close()
	c := newClient(t, nil, func(o *cf.Options) { o.APIURL, o.HTTP = server.URL+cfsim.BasePath, nil })
	for _, kind := range []cfsim.Kind{cfsim.LostBefore, cfsim.LostAfter, cfsim.Truncated} {
		for _, o := range operations {
			if err := operations[1].run(t, c); err != nil { // warms a connection up
				t.Fatal(err)
			}
			sim.Next(o.op, cfsim.Fault{Kind: kind})
			err := o.run(t, c)
			if o.mints {
				if e := fault.Of(err); e == nil || e.Class != fault.Ambiguous {
					t.Errorf("%s on %s: %v", kind, o.name, err)
				}
			}
		}
	}
	for op, n := range sim.Counts() {
		if (op == cfsim.Create || op == cfsim.Rotate) && n != 3 {
			t.Errorf("%s was sent %d times, want 3", op, n)
		}
	}
}

func TestStaleConnectionThatCannotBeRenewedIsCertain(t *testing.T) {
	server := httptest.NewServer(newSim(cfsim.Options{}))
	c := newClient(t, nil, func(o *cf.Options) { o.APIURL, o.HTTP = server.URL+cfsim.BasePath, nil })
	if err := operations[1].run(t, c); err != nil {
		t.Fatal(err)
	}
	server.Close()
	var err error
	for range 2 { // the first may still meet the dying connection
		err = operations[3].run(t, c)
	}
	wantFault(t, err, fault.Retry, fault.Unreachable)
}

func TestNoRedirectIsFollowedAndTheErrorSaysWhereItPoints(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		followed := false
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		for _, hc := range []*http.Client{nil, {}} {
			c := newClient(t, nil, func(o *cf.Options) { o.APIURL, o.HTTP = server.URL, hc })
			for _, op := range operations {
				err := op.run(t, c)
				if e := fault.Of(err); e == nil || e.Reason != fault.BadAnswer || !strings.Contains(e.Error(), elsewhere.URL) {
					t.Errorf("%s, %d: %v, want a bad answer that names %s", op.name, status, err, elsewhere.URL)
				}
			}
		}
		server.Close()
		elsewhere.Close()
		if followed {
			t.Errorf("a %d was followed", status)
		}
	}
}

// Calls in vain use the pace up; those who waited for the outage's end go at once.
func TestAfterAnOutageCallsBeginWithABurst(t *testing.T) {
	for _, c := range []struct{ lasts, least, most time.Duration }{
		{150 * time.Second, 0, time.Second}, {5 * time.Second, 30 * time.Second, time.Minute}, // a hiccup changes nothing
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := newSim(cfsim.Options{})
			client := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget = cf.NewBudget(600, window, 1) })
			list := func() error { _, err := client.List(t.Context(), routine(), relayID); return err }
			for range 100 { // a burst
				_ = list()
			}
			sim.Random(1, cfsim.Chance{Fault: cfsim.Fault{Kind: cfsim.ErrorBefore, Status: 503}, P: 1})
			for begin := time.Now(); time.Since(begin) < c.lasts; {
				_ = list()
			}
			sim.Random(1)
			begin := time.Now()
			for range 80 {
				if err := list(); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(begin); took < c.least || took > c.most {
				t.Errorf("after an outage of %s, 80 calls took %s", c.lasts, took)
			}
		})
	}
}

// A call that never left the machine costs nothing.
func TestARefusedConnectionTakesNothingFromTheBudget(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	budget := cf.NewBudget(3, window, 1)
	c := newClient(t, nil, func(o *cf.Options) { o.APIURL, o.HTTP, o.Budget = server.URL, nil, budget })
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := c.List(ctx, moq.Priority{Urgency: moq.Blackout}, relayID)
		cancel()
		wantFault(t, err, fault.Retry, fault.Unreachable)
	}
}
