package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/slot"
)

const (
	defaultHistory = 100
	defaultPlan    = 7 * 24 * time.Hour
)

func serveHealthy(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "healthy") }

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := s.Daemon.Ready(); err != nil {
		writeText(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
		return
	}
	writeText(w, http.StatusOK, "ready")
}

func (s *Server) serveReload(w http.ResponseWriter, r *http.Request) {
	s.Log.Info("reload asked for", zap.String("by", requester(r)))
	result, err := s.Daemon.Reload(context.WithoutCancel(r.Context())) // who hangs up does not leave it half done
	if err != nil {
		failWith(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, result)
}

// listSlots encodes each status while it is valid, into memory: the yield does
// not wait for the client.
func (s *Server) listSlots(w http.ResponseWriter, r *http.Request) {
	body, err := s.encodeSlots()
	if err != nil {
		failWith(w, r, err)
		return
	}
	writeBody(w, http.StatusOK, "application/json", redact.JSON(body))
}

func (s *Server) encodeSlots() (_ []byte, err error) {
	var b bytes.Buffer
	b.WriteString(`{"slots":[`)
	enc, first := json.NewEncoder(&b), true
	s.Daemon.Statuses(func(st *slot.Status) bool {
		if !first {
			b.WriteByte(',')
		}
		first = false
		err = enc.Encode(st)
		return err == nil
	})
	b.WriteByte(']')
	if notes := s.notes(); err == nil && len(notes) > 0 {
		b.WriteString(`,"notes":`)
		err = enc.Encode(notes)
	}
	if l := s.leadership(); err == nil && l != nil {
		b.WriteString(`,"leader":`)
		err = enc.Encode(l)
	}
	b.WriteString("}\n")
	return b.Bytes(), err
}

// notes are those of the installation, behind why it is not ready: who has only a status is to find the cause there.
func (s *Server) notes() []string {
	notes := s.Daemon.Notes()
	if err := s.Daemon.Ready(); err != nil {
		notes = append([]string{"not ready: " + err.Error()}, notes...)
	}
	return notes
}

func (s *Server) getSlot(w http.ResponseWriter, r *http.Request) {
	relay, typ := r.PathValue("relay"), r.PathValue("type")
	st, ok := s.Daemon.StatusOf(relay, typ)
	if !ok {
		writeError(w, r, http.StatusNotFound, noSlot(relay, typ))
		return
	}
	writeJSON(w, http.StatusOK, st)
}

func noSlot(relay, typ string) string {
	return fmt.Sprintf("there is no slot %s/%s in the configuration", relay, typ)
}

func (s *Server) serveRotate(w http.ResponseWriter, r *http.Request) {
	var req adminapi.RotateRequest
	if !decodeBody(w, r, &req) {
		return
	}
	relay, typ := r.PathValue("relay"), r.PathValue("type")
	if _, ok := s.Daemon.StatusOf(relay, typ); !ok {
		writeError(w, r, http.StatusNotFound, noSlot(relay, typ))
		return
	}
	st, err := s.Daemon.Rotate(r.Context(), relay, typ, requester(r), req.Compromised)
	if err != nil {
		failWith(w, r, err)
		return
	}
	writeJSON(w, http.StatusAccepted, st)
}

func (s *Server) serveHistory(w http.ResponseWriter, r *http.Request) {
	limit, err := historyLimit(r.URL.Query().Get("limit"))
	if err != nil {
		writeError(w, r, http.StatusBadRequest, err.Error())
		return
	}
	named := r.URL.Query().Get("slot")
	relay, typ, _ := strings.Cut(named, "/")
	if relay == "" && named != "" {
		writeError(w, r, http.StatusBadRequest, fmt.Sprintf("slot %q names no relay: it is a relay, or relay/type", named))
		return
	}
	events, err := s.Daemon.History(r.Context(), relay, typ, limit)
	if err != nil {
		failWith(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, adminapi.EventList{Events: notNil(events)})
}

func historyLimit(s string) (int, error) {
	if s == "" {
		return defaultHistory, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > adminapi.MaxHistory {
		return 0, fmt.Errorf("limit %q is not a number from 1 to %d", s, adminapi.MaxHistory)
	}
	return n, nil
}

func (s *Server) serveTokens(w http.ResponseWriter, r *http.Request) {
	tokens, err := s.Daemon.Tokens(r.Context(), r.PathValue("relay"))
	writeTokens(w, r, tokens, err)
}

func (s *Server) servePrune(w http.ResponseWriter, r *http.Request) {
	var req adminapi.PruneRequest
	if !decodeBody(w, r, &req) {
		return
	}
	s.Log.Info("prune asked for", zap.String("relay", r.PathValue("relay")), zap.String("by", requester(r)),
		zap.Bool("dry_run", req.DryRun), zap.Strings("token_ids", req.TokenIDs))
	tokens, err := s.Daemon.Prune(r.Context(), r.PathValue("relay"), req.TokenIDs, req.DryRun)
	writeTokens(w, r, tokens, err)
}

func writeTokens(w http.ResponseWriter, r *http.Request, tokens []adminapi.Token, err error) {
	if err != nil {
		failWith(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, adminapi.TokenList{Tokens: notNil(tokens)})
}

func (s *Server) servePlan(w http.ResponseWriter, r *http.Request) {
	within := defaultPlan
	if f := r.URL.Query().Get("for"); f != "" {
		d, err := time.ParseDuration(f)
		if err != nil || d <= 0 || d > adminapi.MaxForecast {
			writeError(w, r, http.StatusBadRequest, fmt.Sprintf("for=%q is not a duration up to %s, such as 168h", f, adminapi.MaxForecast))
			return
		}
		within = d
	}
	writeJSON(w, http.StatusOK, adminapi.RunList{Runs: notNil(s.Daemon.Forecast(within))})
}

// notNil makes an empty list [] in JSON, not null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// decodeBody reads an optional JSON body, and reports whether it could; else it has answered.
func decodeBody(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		writeError(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
		return false
	}
	if err == nil {
		err = strictJSON(bytes.TrimSpace(body), into)
	}
	if err != nil {
		writeError(w, r, http.StatusBadRequest, "the body is not the JSON that is expected here: "+err.Error())
	}
	return err == nil
}

func strictJSON(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.InputOffset() != int64(len(body)) {
		return errors.New("something follows the object")
	}
	return nil
}

// failWith answers with err's text and the status that its reason stands for.
func failWith(w http.ResponseWriter, r *http.Request, err error) {
	writeError(w, r, statusOf(fault.Of(err).Reason), err.Error())
}

func statusOf(reason fault.Reason) int {
	switch reason {
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Conflict, fault.Foreign, fault.Full, fault.NotOffered:
		return http.StatusConflict
	case fault.RateLimited, fault.Storage, fault.Canceled:
		return http.StatusServiceUnavailable
	case fault.Timeout:
		return http.StatusGatewayTimeout
	case fault.Unauthorized, fault.Forbidden, fault.Unreachable, fault.ServerError, fault.BadAnswer:
		return http.StatusBadGateway // the upstream's words, not ours
	}
	return http.StatusInternalServerError
}

// writeError answers with an error: JSON to programs, text to the others.
func writeError(w http.ResponseWriter, r *http.Request, status int, text string) {
	if strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/-/reload" {
		writeJSON(w, status, adminapi.Problem{Error: text})
		return
	}
	writeText(w, status, text)
}

func writeText(w http.ResponseWriter, status int, text string) {
	writeBody(w, status, "text/plain; charset=utf-8", []byte(text+"\n"))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		http.Error(w, `{"error": "the answer cannot be written as JSON"}`, http.StatusInternalServerError)
		return
	}
	writeBody(w, status, "application/json", redact.JSON(b.Bytes()))
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// serveDescription serves the API's description, which is embedded.
func serveDescription(w http.ResponseWriter, _ *http.Request) {
	writeBody(w, http.StatusOK, "application/yaml", []byte(readAsset("openapi.yaml")))
}
