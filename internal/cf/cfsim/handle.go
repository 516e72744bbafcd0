package cfsim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// request is one call, taken apart.
type request struct {
	op                    Op
	routed                bool // the path exists, whatever the method
	account, relay, token string
	bearer                string
	authorized            bool // the Authorization header has the right form
	query                 url.Values
	body                  []byte
	entry                 *Call
}

// reply is an answer before it is wrapped into Cloudflare's envelope.
type reply struct {
	status int
	result any
	info   any // result_info
	errors []note
}

type note struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func refusalOf(status, code int, message string) reply {
	return reply{status: status, errors: []note{{code, message}}}
}

func parseRequest(r *http.Request) *request {
	body, _ := io.ReadAll(io.LimitReader(bodyOf(r), maxBody+1)) // half a body is a malformed one
	q := &request{query: r.URL.Query(), body: body}
	q.bearer, q.authorized = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	q.parsePath(r.Method, r.URL.Path)
	q.entry = &Call{
		Op: q.op, Relay: q.relay, Token: q.token,
		Method: r.Method, Path: r.URL.Path, Body: string(body),
	}
	return q
}

func bodyOf(r *http.Request) io.Reader {
	if r.Body == nil {
		return strings.NewReader("")
	}
	return r.Body
}

// parsePath finds out what is asked for: …/accounts/{a}/moq/relays[/{r}[/tokens[/{jti}|/rotate]]].
func (q *request) parsePath(method, path string) {
	q.op = unknownOp
	if method == http.MethodGet && path == BasePath+"/user/tokens/verify" {
		q.routed, q.op = true, VerifyToken
		return
	}
	rest, ok := strings.CutPrefix(path, BasePath+"/accounts/")
	part := strings.Split(rest, "/")
	if ok && method == http.MethodGet && len(part) == 3 && part[1] == "tokens" && part[2] == "verify" {
		q.routed, q.op, q.account = true, VerifyToken, part[0]
		return
	}
	if !ok || len(part) < 3 || len(part) > 6 || part[1] != "moq" || part[2] != "relays" {
		return
	}
	if len(part) > 4 && part[4] != "tokens" {
		return
	}
	q.routed, q.account = true, part[0]
	if len(part) > 3 {
		q.relay = part[3]
	}
	if len(part) == 6 && part[5] != "rotate" {
		q.token = part[5]
	}
	shape := fmt.Sprintf("%s %d", method, len(part))
	if shape == "POST 6" && q.token != "" {
		return // only DELETE takes a token's id
	}
	if op, ok := ops[shape]; ok {
		q.op = op
	}
}

// ops are the kinds of call by method and number of path segments.
var ops = map[string]Op{
	"GET 3": ListRelays, "POST 3": CreateRelay, "GET 4": GetRelay,
	"GET 5": List, "POST 5": Create, "DELETE 6": Revoke, "POST 6": Rotate,
}

// handleCall carries one call out, or has it go wrong.
func (s *Sim) handleCall(r *http.Request) outcome {
	q := parseRequest(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	s.commitLate(now)
	f := s.nextFault(q.op)
	if f.Kind == Refused {
		return outcome{refused: true}
	}
	q.entry.At, q.entry.Fault = now, f.Kind
	out := s.handleWithFault(now, q, f)
	if !out.lost {
		q.entry.Status = out.status
	}
	s.recordCall(*q.entry)
	return out
}

// handleWithFault carries a call out as far as its fault lets it.
func (s *Sim) handleWithFault(now time.Time, q *request, f Fault) outcome {
	out := outcome{header: http.Header{"Content-Type": {"application/json"}, "Date": {now.UTC().Format(http.TimeFormat)}}, wait: s.o.Latency}
	run := func(now time.Time) reply { return s.checkCaller(now, q, out.header) }
	switch f.Kind {
	case LostBefore:
		out.lost = true
	case LateCommit:
		s.late = append(s.late, lateCommit{now.Add(f.Delay), func(due time.Time) { run(due) }})
		out.lost = true
	case ErrorBefore, Unsuccessful, RateLimited:
		s.setAnswer(&out, f.ownReply(out.header))
	case Instead:
		out.status, out.body = orElse(f.Status, 200), []byte(f.Body)
	case PageBefore:
		out.becomePage(f)
	default:
		s.setAnswer(&out, run(now))
		s.spoilAnswer(&out, f)
	}
	return out
}

func (s *Sim) setAnswer(out *outcome, rep reply) {
	out.status, out.body = rep.status, s.inEnvelope(rep)
}

// spoilAnswer has the answer of a call that was carried out go wrong.
func (s *Sim) spoilAnswer(out *outcome, f Fault) {
	switch f.Kind {
	case LostAfter:
		out.lost = true
	case ErrorAfter:
		s.setAnswer(out, f.ownReply(out.header))
	case Garbage:
		out.status, out.body = orElse(f.Status, 200), []byte(f.Body)
	case PageAfter:
		out.becomePage(f)
	case Truncated:
		out.cut = true
	case Slow:
		out.wait += f.Delay
	}
}

// becomePage makes an answer a proxy's page, without anything of Cloudflare's.
func (o *outcome) becomePage(f Fault) {
	o.header = http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	o.status, o.body = orElse(f.Status, http.StatusForbidden), []byte(page)
}

// ownReply is what Cloudflare says of its own accord in a fault of this kind.
func (f Fault) ownReply(h http.Header) reply {
	switch f.Kind {
	case Unsuccessful:
		return refusalOf(200, 21006, "internal server error")
	case RateLimited:
		if f.Delay > 0 {
			h.Set("Retry-After", strconv.Itoa(wholeSeconds(f.Delay)))
		}
		return tooMany()
	default:
		return refusalOf(orElse(f.Status, 500), 21006, "internal server error")
	}
}

func tooMany() reply {
	return refusalOf(429, 971, "Please wait and consider throttling your request speed")
}

func orElse(status, otherwise int) int {
	if status == 0 {
		return otherwise
	}
	return status
}

// checkCaller checks who asks and what is offered, then carries the call out.
func (s *Sim) checkCaller(now time.Time, q *request, header http.Header) reply {
	b := s.bearers[q.bearer]
	switch {
	case !q.authorized:
		return refusalOf(400, 6003, "Invalid request headers")
	case b == nil:
		return refusalOf(401, 1000, "Invalid API Token")
	case !b.limit.countRequest(now, header):
		return tooMany()
	case !q.routed:
		return noRoute(q)
	case q.op == VerifyToken:
		return b.verified(q)
	case !slices.Contains(b.accounts, q.account) || !b.permission.isEnoughFor(q.op):
		return refusalOf(403, 10000, "Authentication error")
	}
	return s.carryOut(now, q)
}

func (p Permission) isEnoughFor(op Op) bool {
	switch op {
	case List, GetRelay, ListRelays:
		return p >= Read
	}
	return p >= Edit
}

func noRoute(q *request) reply {
	rep := refusalOf(404, 7003, fmt.Sprintf("Could not route to %s, perhaps your object identifier is invalid?", q.entry.Path))
	rep.errors = append(rep.errors, note{7000, "No route for that URI"})
	return rep
}

// carryOut carries out a call of somebody who may make it.
func (s *Sim) carryOut(now time.Time, q *request) reply {
	offered, known := s.accounts[q.account]
	if !known {
		return noRoute(q)
	}
	gen1, gen2 := offered&Gen1 != 0, offered&Gen2 != 0
	switch q.op {
	case ListRelays:
		return s.listRelays(q)
	case CreateRelay:
		return s.createRelay(q)
	case Rotate:
		if !gen1 && gen2 { // the path is that of a token
			return refusalOf(405, 10405, "Method not allowed")
		}
		if !gen1 {
			return noRoute(q)
		}
	case Create, List, Revoke:
		if !gen2 {
			return noRoute(q)
		}
	case unknownOp:
		return refusalOf(405, 10405, "Method not allowed")
	}
	return s.onRelay(now, q)
}

func (s *Sim) onRelay(now time.Time, q *request) reply {
	if !isID(q.relay) {
		return refusalOf(400, 21003, "relay id is malformed")
	}
	r := s.relays[q.relay]
	if r == nil || r.account != q.account {
		return refusalOf(404, 21007, "relay not found")
	}
	switch q.op {
	case Create:
		return s.createToken(now, r, q)
	case List:
		return reply{status: 200, result: map[string]any{"issuers": s.issuerList(r.listed(now, s.o.ListLag), false)}}
	case Revoke:
		r.revokeToken(now, q.token)
		return reply{status: 200}
	case Rotate:
		return s.rotateToken(now, r, q)
	default:
		return reply{status: 200, result: r.relayObject(true)}
	}
}

func isID(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

// inEnvelope puts a reply into Cloudflare's envelope.
func (s *Sim) inEnvelope(rep reply) []byte {
	e := map[string]any{"success": rep.status < 300 && len(rep.errors) == 0, "errors": []note{}, "messages": []note{}}
	if rep.errors != nil {
		e["errors"] = rep.errors
	}
	if rep.result != nil {
		e["result"] = rep.result
	}
	if rep.info != nil {
		e["result_info"] = rep.info
	}
	if s.o.Strange {
		e["experimental"] = map[string]any{"flags": []string{"beta"}}
	}
	b, _ := json.Marshal(e) // maps, strings and numbers only
	return b
}
