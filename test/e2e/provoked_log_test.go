package e2e

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"

	"github.com/rotatord/rotatord/test/harness"
)

// Logins fail, and the disk is full that the log, which tells it, goes to.
func logAlerts(j *job) {
	w := j.world(1)
	listen, release := harness.HoldAddress(j.t)
	w.configure(settings{Listen: listen, Server: w.withLogin(scraper)})
	w.stderr = harness.Must[*os.File](j.t)(os.OpenFile("/dev/full", os.O_WRONLY, 0))
	release()
	d := w.start()
	_ = w.stderr.Close() // the daemon's own is left
	d.at = listen
	j.scrapeLoggedIn(d, j.listen())
	j.firesWhile(func() { guessPasswords(listen, 15) }, "MoQFailedLogins", "MoQLogLinesDropped")
	d.stop()
	w.stderr = nil
	w.start()
	j.end("MoQFailedLogins", "MoQLogLinesDropped")
}

// guessPasswords guesses so many at a time: each answer is kept back a while.
func guessPasswords(address string, n int) {
	var guesses sync.WaitGroup
	for range n {
		guesses.Go(func() { _, _, _ = harness.Answer(http.Get("http://guess:guess@" + address + "/metrics")) })
	}
	guesses.Wait()
}

// scrapeLoggedIn stands between Prometheus and a daemon, at an address, and logs in.
func (j *job) scrapeLoggedIn(d *daemon, address string) {
	j.t.Helper()
	password, _ := scraper.Password()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: d.address()})
			r.Out.SetBasicAuth(scraper.Username(), password)
		},
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, err error) {
			http.Error(rw, err.Error(), http.StatusBadGateway)
		},
	}
	l := harness.Must[net.Listener](j.t)(net.Listen("tcp", address))
	s := &http.Server{Handler: proxy, ReadHeaderTimeout: patience}
	go func() { _ = s.Serve(l) }()
	j.t.Cleanup(func() { _ = s.Close() })
}
