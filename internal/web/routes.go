package web

import "net/http"

// methods are a path's handlers. HEAD is served by get.
type methods struct{ get, post http.HandlerFunc }

// ServeHTTP picks the handler by the request's method, or answers 405.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case m.get != nil && isSafe(r.Method):
		m.get(w, r)
	case m.post != nil && r.Method == http.MethodPost:
		m.post(w, r)
	default:
		w.Header().Set("Allow", m.allowHeader())
		writeError(w, r, http.StatusMethodNotAllowed, r.Method+" is not served here; "+m.allowHeader()+" is")
	}
}

func (m methods) allowHeader() string {
	switch {
	case m.post == nil:
		return "GET, HEAD"
	case m.get == nil:
		return "POST"
	}
	return "GET, HEAD, POST"
}

// publicHandler serves the TCP listener.
func (s *Server) publicHandler(loopback bool) http.Handler {
	mux := http.NewServeMux()
	s.addCommon(mux)
	return s.withLimits(s.guardPublic(mux, loopback))
}

// adminHandler serves the admin socket: everything.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	s.addCommon(mux)
	s.addAdmin(mux)
	addProfiles(mux)
	return s.withLimits(http.NewCrossOriginProtection().Handler(mux))
}

func (s *Server) addCommon(mux *http.ServeMux) {
	mux.Handle("/{$}", methods{get: s.overviewPage})
	mux.Handle("/slots/{relay}/{type}", methods{get: s.slotPage})
	mux.Handle("/metrics", methods{get: s.Metrics.ServeHTTP})
	mux.Handle("/-/healthy", methods{get: serveHealthy})
	mux.Handle("/-/ready", methods{get: s.serveReady})
	mux.Handle("/-/reload", methods{post: s.serveReload})
	mux.Handle("/api/v1/slots", methods{get: s.listSlots})
	mux.Handle("/api/v1/slots/{relay}/{type}", methods{get: s.getSlot})
	mux.Handle("/api/v1/slots/{relay}/{type}/rotate", methods{post: s.serveRotate})
	mux.Handle("/api/v1/history", methods{get: s.serveHistory})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, r, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	})
}

func (s *Server) addAdmin(mux *http.ServeMux) {
	mux.Handle("/api/v1/tokens/{relay}", methods{get: s.serveTokens})
	mux.Handle("/api/v1/tokens/{relay}/prune", methods{post: s.servePrune})
	mux.Handle("/api/v1/plan", methods{get: s.servePlan})
}
