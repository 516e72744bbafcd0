package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"

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
	j.standBefore(d, j.listen(), scraper, func(text string) string { return text })
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

// Two ways to one daemon are as two replicas would look: what is tried is the alerts, and when they fire.
func replicaAlerts(j *job) {
	w := j.world(1)
	w.configure(settings{})
	d := w.start()
	var standby, replicas atomic.Bool
	as := func(name string) func(string) string {
		return func(text string) string {
			if standby.Load() {
				text = strings.ReplaceAll(text, "\nrotatord_leader 1\n", "\nrotatord_leader 0\n")
			}
			if replicas.Load() {
				text += fmt.Sprintf("rotatord_replica_config_info{replica=%q,digest=%[1]q} 1\n", name)
			}
			return text
		}
	}
	j.standBefore(d, j.listen(), nil, as("one"))
	other := j.listenAt(j.name, 1)
	stop := j.standBefore(d, other, nil, as("other"))
	standby.Store(true)
	j.fires("MoQNoLeader")
	standby.Store(false)
	replicas.Store(true)
	j.fires("MoQTwoLeaders", "MoQReplicasDiffer")
	replicas.Store(false)
	stop()
	j.fires("MoQReplicaDown")
	j.standBefore(d, other, nil, as("other"))
	j.end("MoQNoLeader", "MoQTwoLeaders", "MoQReplicasDiffer", "MoQReplicaDown")
}

// standBefore stands between Prometheus and a daemon, at an address: it may log in, and change what is told.
func (j *job) standBefore(d *daemon, address string, login *url.Userinfo, change func(string) string) (stop func()) {
	j.t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: d.address()})
			r.Out.Header.Del("Accept")
			r.Out.Header.Set("Accept-Encoding", "identity")
			if login != nil {
				password, _ := login.Password()
				r.Out.SetBasicAuth(login.Username(), password)
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			text, err := io.ReadAll(resp.Body)
			body := change(string(text))
			resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			resp.Header.Del("Content-Length")
			return err
		},
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, err error) {
			http.Error(rw, err.Error(), http.StatusBadGateway)
		},
	}
	l := harness.Must[net.Listener](j.t)(net.Listen("tcp", address))
	s := &http.Server{Handler: proxy, ReadHeaderTimeout: patience}
	go func() { _ = s.Serve(l) }()
	stop = func() { _ = s.Close() }
	j.t.Cleanup(stop)
	return stop
}
