package web

import (
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"
)

// longestProfile bounds a profile that is taken over a while: an answer may take no longer.
const longestProfile = adminWriteTimeout - 10*time.Second

// addProfiles serves what `go tool pprof` and `go tool trace` read, by the names that net/http/pprof gives it, whose
// own handlers would take 110 kB more of the binary.
func addProfiles(mux *http.ServeMux) {
	mux.Handle("/debug/pprof/{$}", methods{get: listProfiles})
	mux.Handle("/debug/pprof/{name}", methods{get: serveProfile})
	mux.Handle("/debug/pprof/profile", methods{get: record(30*time.Second, pprof.StartCPUProfile, pprof.StopCPUProfile)})
	mux.Handle("/debug/pprof/trace", methods{get: record(time.Second, trace.Start, trace.Stop)})
}

func listProfiles(w http.ResponseWriter, _ *http.Request) {
	var names strings.Builder
	for _, p := range pprof.Profiles() {
		names.WriteString(p.Name() + "\n")
	}
	writeText(w, http.StatusOK, names.String()+"profile?seconds=30\ntrace?seconds=1")
}

// serveProfile answers with a profile as it stands; debug=1 and debug=2 make it text.
func serveProfile(w http.ResponseWriter, r *http.Request) {
	p := pprof.Lookup(r.PathValue("name"))
	if p == nil {
		writeError(w, r, http.StatusNotFound, "there is no such profile; /debug/pprof/ lists them")
		return
	}
	if r.FormValue("gc") != "" {
		runtime.GC()
	}
	debug, _ := strconv.Atoi(r.FormValue("debug"))
	w.Header().Set("Content-Type", profileType(debug))
	_ = p.WriteTo(w, debug)
}

func profileType(debug int) string {
	if debug > 0 {
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// record answers with what is recorded from start to stop, within the seconds that are asked for.
func record(usual time.Duration, start func(io.Writer) error, stop func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", profileType(0))
		if err := start(w); err != nil { // there is one under way
			writeError(w, r, http.StatusConflict, err.Error())
			return
		}
		defer stop()
		select {
		case <-time.After(min(secondsOf(r, usual), longestProfile)):
		case <-r.Context().Done():
		}
	}
}

// secondsOf returns how long a request wants to be answered for.
func secondsOf(r *http.Request, usual time.Duration) time.Duration {
	if n, err := strconv.ParseUint(r.FormValue("seconds"), 10, 16); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return usual
}
