package web

import (
	"net/http"

	"github.com/rotatord/rotatord/internal/answers"
)

// methods are a path's handlers. HEAD is served by get.
type methods struct{ get, post http.HandlerFunc }

// ServeHTTP picks the handler by the request's method, or answers 405.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case m.get != nil && isSafe(r.Method):
		m.get(w, r)
	case m.post != nil && r.Method == http.MethodPost && r.URL.RawQuery != "":
		writeError(w, r, http.StatusBadRequest, refusedQuery)
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
func (s *Server) publicHandler(on listening, c *webConfig) http.Handler {
	health, rest := http.NewServeMux(), http.NewServeMux()
	s.handle(health, s.healthRoutes())
	s.handle(rest, s.healthRoutes()) // for who has to log in to be let in there
	s.handle(rest, s.commonRoutes())
	rest.HandleFunc("/", serveNothing)
	logins := newLogins(c, s.Log, s.AuthFailed)
	s.logins = logins
	guarded := limitRate(c.get().RateLimiterConfig, logins.require(on.guardPublic(rest)))
	return s.withLimits(c.setOwnHeaders, guardSpare(on.guardHealth(health, guarded), s.receiveForwarded(guarded)))
}

// adminHandler serves the admin socket: everything.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	s.handle(mux, s.healthRoutes())
	s.handle(mux, s.commonRoutes())
	s.handle(mux, s.adminRoutes())
	addProfiles(mux)
	mux.HandleFunc("/", serveNothing)
	return s.withLimits(func(http.Header) {}, http.NewCrossOriginProtection().Handler(mux))
}

// route is a path of the mux, and what is served there.
type route struct {
	path string
	methods
	gate    func(http.Handler) http.Handler // what get waits for; nil: nothing
	leaders bool                            // only who leads can answer
}

func (s *Server) handle(mux *http.ServeMux, routes []route) {
	for _, r := range routes {
		if r.gate != nil {
			r.get = r.gate(r.get).ServeHTTP
		}
		if r.leaders && s.Replicas != nil {
			r.methods = methods{get: s.answerOrForward(r.get), post: s.answerOrForward(r.post)}
		}
		mux.Handle(r.path, r.methods)
	}
}

// healthRoutes wait for nothing, and for nobody.
func (s *Server) healthRoutes() []route {
	return []route{
		{path: "/-/healthy", methods: methods{get: serveHealthy}},
		{path: "/-/ready", methods: methods{get: s.serveReady}},
	}
}

func (s *Server) commonRoutes() []route {
	each := s.places.Each
	return []route{
		{path: "/{$}", methods: methods{get: s.overviewPage}, gate: each, leaders: true},
		{path: "/slots/{relay}/{type}", methods: methods{get: s.slotPage}, gate: each, leaders: true},
		{path: "/metrics", methods: methods{get: s.Metrics.ServeHTTP}}, // it has places of its own
		{path: "/-/reload", methods: methods{post: s.serveReload}},
		{path: "/api/v1/slots", methods: methods{get: s.listSlots}, gate: s.sharedList, leaders: true},
		{path: "/api/v1/slots/{relay}/{type}", methods: methods{get: s.getSlot}, gate: each, leaders: true},
		{path: "/api/v1/slots/{relay}/{type}/rotate", methods: methods{post: s.serveRotate}, leaders: true},
		{path: "/api/v1/history", methods: methods{get: s.serveHistory}, gate: each, leaders: true},
		{path: "/api/v1/openapi.yaml", methods: methods{get: serveDescription}},
	}
}

// sharedList makes one list of all slots for all who asked before it was begun.
func (s *Server) sharedList(next http.Handler) http.Handler {
	return answers.NewPlaces(s.limits.lists, s.limits.pace).Shared(next, func(*http.Request) string { return "" })
}

func (s *Server) adminRoutes() []route {
	return []route{
		{path: "/api/v1/tokens/{relay}", methods: methods{get: s.serveTokens}, leaders: true},
		{path: "/api/v1/tokens/{relay}/prune", methods: methods{post: s.servePrune}, leaders: true},
		{path: "/api/v1/plan", methods: methods{get: s.servePlan}, leaders: true},
	}
}

func serveNothing(w http.ResponseWriter, r *http.Request) {
	writeError(w, r, http.StatusNotFound, "there is nothing at "+r.URL.Path)
}
