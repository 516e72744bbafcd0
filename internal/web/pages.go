package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"

	"go.uber.org/zap"
)

//go:embed assets
var assets embed.FS

// pages are the parsed templates and the headers that go with them.
type pages struct {
	templates *template.Template
	headers   map[string]string
}

// newPages parses what is embedded; it panics when that is broken, which a
// test shows.
func newPages() *pages {
	style, script := readAsset("style.css"), readAsset("page.js")
	t := template.New("").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(style) },     //nolint:gosec // our own, embedded
		"script": func() template.JS { return template.JS(script) },      //nolint:gosec // our own, embedded
		"icon":   func() template.URL { return template.URL(iconURL()) }, //nolint:gosec // our own, embedded
	})
	return &pages{
		templates: template.Must(t.ParseFS(assets, "assets/*.html")),
		headers:   securityHeaders(style, script),
	}
}

func readAsset(name string) string {
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is embedded under this name
	}
	return string(b)
}

func iconURL() string {
	return "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(readAsset("icon.svg")))
}

// securityHeaders allow a page its own style and script, by their hashes, and
// nothing else from anywhere.
func securityHeaders(style, script string) map[string]string {
	return map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src " + cspHash(style) + "; script-src " + cspHash(script) +
			"; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cache-Control":                "no-store",
	}
}

func cspHash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// setSecurityHeaders sets the security headers, save those that the operator's web
// configuration has set.
func (p *pages) setSecurityHeaders(h http.Header) {
	for name, value := range p.headers {
		if h.Get(name) == "" {
			h.Set(name, value)
		}
	}
}

// page is what every template gets.
type page struct {
	Title    string
	Version  string
	Instance string
	Now      moment
	NotReady string
	Leader   string // which replica leads, since when; "" on one machine
	Notes    []string
	Refresh  int // seconds
	Body     any
}

const refreshSeconds = 15

// render writes a page whole, or an error.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, name, title string, body any) {
	now := s.Now()
	p := page{
		Title: title, Version: s.Version, Instance: s.Instance, Now: momentAt(now, now), Refresh: refreshSeconds, Body: body,
		Notes: s.Daemon.Notes(), Leader: s.leaderLine(r, now),
	}
	if err := s.Daemon.Ready(); err != nil {
		p.NotReady = err.Error()
	}
	var b bytes.Buffer
	if err := s.pages.templates.ExecuteTemplate(&b, name, p); err != nil {
		s.Log.Error("a page cannot be rendered", zap.String("page", name), zap.Error(err))
		writeError(w, r, http.StatusInternalServerError, "the page cannot be rendered; the log says why")
		return
	}
	writeBody(w, status, "text/html; charset=utf-8", b.Bytes())
}
