package cf_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// foreign are answers of what stands in between: pages, other gateways' errors, and
// what looks like Cloudflare's envelope without saying why.
var foreign = []string{
	"", "<html><h1>Blocked</h1>", "null", "[]", `"success"`, "{}", `{"message":"no Route matched with those values"}`,
	`{"success":false}`, `{"success":false,"errors":[]}`, `{"success":false,"errors":null}`, `{"success":false,"errors":"blocked"}`,
	`{"success":false,"errors":[null,7,"blocked",{}]}`, `{"success":false,"errors":[{"code":0,"message":""}]}`,
	`{"success":false,"errors":[{"code":{},"message":null}]}`, `{"success":"false","errors":[{"code":1}]}`,
	`{"errors":[{"code":10000,"message":"Authentication error"}]}`, `{"Success":false,"Errors":[{"Code":1,"Message":"blocked"}]}`,
	`{"success":false,"errors":[{"code":10000,"message":"Authentication`, `{"success":null,"errors":[{"code":1}]}`,
}

func TestAnAnswerOutsideTheEnvelopeProvesNothing(t *testing.T) {
	for _, status := range []int{200, 204, 301, 307, 400, 401, 403, 404, 405, 407, 409, 410, 413, 429, 451, 499} {
		for _, body := range foreign {
			for _, kind := range []cfsim.Kind{cfsim.Instead, cfsim.Garbage} { // not carried out; carried out
				for _, o := range operations {
					sim := newSim(cfsim.Options{})
					sim.Next(o.op, cfsim.Fault{Kind: kind, Status: status, Body: body})
					class := fault.Retry
					if o.mints {
						class = fault.Ambiguous
					}
					err := o.run(t, newClient(t, sim.Transport()))
					wantFault(t, err, class, fault.BadAnswer)
					wantText(t, err, fmt.Sprint(status), "check api_url")
					if t.Failed() {
						t.Fatalf("%s %s %d with %q", kind, o.name, status, body)
					}
				}
			}
		}
	}
}

func TestAPageSaysWhereItMayComeFrom(t *testing.T) {
	sim := newSim(cfsim.Options{})
	sim.Next(cfsim.Rotate, cfsim.Fault{Kind: cfsim.PageAfter, Status: 451})
	_, err := newClient(t, sim.Transport()).Rotate(t.Context(), routine(), relayID, moq.Subscribe)
	want := `rotate token for relay a1b2c3d4e5f67890a1b2c3d4e5f67890 of account main: 451: an HTML page, as proxies send them ` +
		`(the answer is not what the Cloudflare API sends: is a proxy in between? check api_url)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// answers is a transport that gives one answer to every call.
func answers(status int, header http.Header, body io.Reader) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: orNone(header), Body: io.NopCloser(body), Request: r}, nil
	}
}

func orNone(h http.Header) http.Header {
	if h == nil {
		return http.Header{}
	}
	return h
}

func TestTooManyRequestsIsCertainOnlyWhereItIsCloudflares(t *testing.T) {
	for name, tt := range map[string]struct {
		header  http.Header
		body    string
		certain bool
	}{
		"in the envelope":    {nil, `{"success":false,"errors":[{"code":971}]}`, true},
		"with Retry-After":   {http.Header{"Retry-After": {"60"}}, "<html>", true},
		"with Ratelimit":     {http.Header{"Ratelimit": {`"default";r=0;t=60`}}, "", true},
		"a page":             {http.Header{"Content-Type": {"text/html"}}, "<html>", false},
		"an envelope's half": {nil, `{"success":false,"errors":[]}`, false},
	} {
		for _, o := range operations {
			t.Run(name+" on "+o.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &watcher{}
					c := newClient(t, answers(429, tt.header, strings.NewReader(tt.body)), func(o *cf.Options) { o.Observer = w })
					class, reason := fault.Retry, fault.RateLimited
					if !tt.certain {
						reason = fault.BadAnswer
					}
					if !tt.certain && o.mints {
						class = fault.Ambiguous
					}
					wantFault(t, o.run(t, c), class, reason)
					if blocked := strings.Contains(w.seen(), "blocked"); blocked != tt.certain {
						t.Errorf("the budget is stopped: %t", blocked)
					}
				})
			})
		}
	}
}

// brokenBody is an answer whose connection breaks before its end.
type brokenBody struct{ io.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestARefusalThatIsCutShortProvesNothing(t *testing.T) {
	for _, status := range []int{200, 302, 400, 403, 404, 409} {
		for _, o := range operations {
			c := newClient(t, answers(status, nil, brokenBody{strings.NewReader(refusal)}))
			class := fault.Retry
			if o.mints {
				class = fault.Ambiguous
			}
			err := o.run(t, c)
			wantFault(t, err, class, fault.BadAnswer)
			wantText(t, err, fmt.Sprint(status), "cut short")
		}
	}
}

// A proxy that does not let the connection through was told nothing of the call.
func TestAProxyThatRefusesToConnectIsCertain(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusBadGateway} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", status) }))
		at, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, nil, func(o *cf.Options) {
			o.APIURL, o.HTTP = "https://cloudflare.invalid/client/v4", &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(at)}}
		})
		for _, o := range operations {
			wantFault(t, o.run(t, c), fault.Retry, fault.Unreachable)
		}
		proxy.Close()
	}
}
