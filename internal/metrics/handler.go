package metrics

import (
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rotatord/rotatord/internal/limit"
)

// Handler serves a scrape as text, OpenMetrics or protobuf, compressed on
// request. Only a few scrapes are gathered at once, and a scraper that reads
// slowly holds nobody up: its answer is complete before it is sent.
func (m *Metrics) Handler() http.Handler {
	scrape := promhttp.HandlerFor(gatherer{m}, promhttp.HandlerOpts{
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	})
	scrapes := limit.New(maxScrapes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave, err := scrapes.Enter(r.Context())
		if err != nil {
			return
		}
		answer := gatherAnswer(scrape, w.Header(), r, leave)
		w.WriteHeader(answer.status)
		_, _ = answer.body.WriteTo(w)
	})
}

func gatherAnswer(scrape http.Handler, h http.Header, r *http.Request, done func()) *answer {
	defer done()
	a := &answer{header: h, status: http.StatusOK}
	scrape.ServeHTTP(a, r)
	return a
}

// answer is a response kept in memory, in pieces: a large fleet's would be copied
// time and again, and leave as much again behind, if it grew in one.
type answer struct {
	header http.Header
	status int
	body   net.Buffers
}

const pieceOfAnswer = 256 << 10

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(p []byte) (int, error) {
	last := len(a.body) - 1
	if last < 0 || cap(a.body[last])-len(a.body[last]) < len(p) {
		a.body, last = append(a.body, make([]byte, 0, max(pieceOfAnswer, len(p)))), last+1
	}
	a.body[last] = append(a.body[last], p...)
	return len(p), nil
}
