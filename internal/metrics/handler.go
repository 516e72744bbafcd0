package metrics

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"github.com/rotatord/rotatord/internal/answers"
)

// Handler serves a scrape as text, OpenMetrics or protobuf, compressed on
// request. One is gathered at a time, for all who asked for the like before it was
// begun, and few are held for who reads slowly (see answers.Places).
func (m *Metrics) Handler() http.Handler { return m.handler(answers.DefaultPace()) }

func (m *Metrics) handler(pace answers.Pace) http.Handler {
	scrape := promhttp.HandlerFor(gatherer{m}, promhttp.HandlerOpts{
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	})
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := variantOf(r.Header)
		r = r.Clone(r.Context())
		r.Header = http.Header{"Accept": {v.format}, "Accept-Encoding": {v.encoding}}
		scrape.ServeHTTP(w, r)
	})
	return answers.NewPlaces(maxScrapes, pace).Shared(plain, func(r *http.Request) string {
		v := variantOf(r.Header)
		return v.format + "\n" + v.encoding
	})
}

// variant is a form of the same scrape. There are few, whatever is asked for.
type variant struct{ format, encoding string }

func variantOf(h http.Header) variant {
	// How names that Prometheus did not know of old are written does not matter: ours are none.
	format, _, _ := strings.Cut(string(expfmt.NegotiateAccept(h, expfmt.DefaultOpenMetricsAcceptedFormats()...)), "; escaping=")
	if takesGzip(h.Get("Accept-Encoding")) {
		return variant{format, "gzip"}
	}
	return variant{format, "identity"}
}

// takesGzip reports whether an Accept-Encoding header allows gzip.
func takesGzip(accepted string) bool {
	for coding := range strings.SplitSeq(accepted, ",") {
		name, quality, _ := strings.Cut(strings.ReplaceAll(coding, " ", ""), ";q=")
		if strings.EqualFold(name, "gzip") {
			return strings.Trim(quality, "0.") != "" || quality == ""
		}
	}
	return false
}
