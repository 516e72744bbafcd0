package cfsim

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// decodeBody reads a call's JSON body into v.
func (q *request) decodeBody(v any) (reply, bool) {
	if len(q.body) > maxBody {
		return refusalOf(413, 21001, "request body is too large"), false
	}
	err := json.Unmarshal(q.body, v)
	if wrong := (*json.UnmarshalTypeError)(nil); err != nil && !errors.As(err, &wrong) {
		return refusalOf(400, 21004, "request body is not JSON"), false
	}
	return reply{}, true
}

func (s *Sim) createToken(now time.Time, r *relay, q *request) reply {
	var ask struct {
		Operations []string `json:"operations"`
		Expires    string   `json:"expires"`
		Label      string   `json:"label"`
	}
	if rep, ok := q.decodeBody(&ask); !ok {
		return rep
	}
	if !areOperations(ask.Operations) {
		return refusalOf(400, 21010, "operations are invalid")
	}
	slices.Sort(ask.Operations) // a set has no order
	expires, ok := s.parseExpiry(now, ask.Expires)
	if !ok {
		return refusalOf(400, 21012, "expires must be in the future and at most one year away")
	}
	if len(r.tokens) >= maxTokens {
		return refusalOf(409, 21009, "relay token limit reached")
	}
	t := r.mintToken(now, ask.Operations, expires, ask.Label)
	if s.o.Unknown != nil {
		t.known = now.Add(s.o.Unknown(r.id))
	}
	q.entry.Token = t.ID
	return reply{status: 201, result: map[string]any{"issuers": s.issuerList([]*Token{t}, true)}}
}

// operationPattern is what this Cloudflare takes for an operation. The real one promises finer
// ones than publish and subscribe, so any word will do.
var operationPattern = regexp.MustCompile(`^[a-z][a-z0-9_:.-]{0,62}$`)

func areOperations(list []string) bool {
	for i, o := range list {
		if !operationPattern.MatchString(o) || slices.Contains(list[:i], o) {
			return false
		}
	}
	return len(list) > 0
}

// parseExpiry reads the optional expires of a create call.
func (s *Sim) parseExpiry(now time.Time, text string) (time.Time, bool) {
	if text == "" {
		return now.Add(s.o.MaxLife), true
	}
	at, err := time.Parse(time.RFC3339, text)
	return at, err == nil && at.After(now) && !at.After(now.Add(s.o.MaxLife))
}

func (s *Sim) rotateToken(now time.Time, r *relay, q *request) reply {
	var ask struct {
		Type string `json:"type"`
	}
	if rep, ok := q.decodeBody(&ask); !ok {
		return rep
	}
	q.entry.Type = ask.Type
	if !slices.Contains(kinds, ask.Type) {
		return refusalOf(400, 21010, "type is invalid")
	}
	if r.standard[ask.Type] == nil && len(r.tokens) >= maxTokens {
		return refusalOf(409, 21009, "relay token limit reached")
	}
	t := r.replaceToken(now, ask.Type)
	q.entry.Token = t.ID
	result := map[string]any{"token": t.Value, "type": ask.Type}
	if s.o.Strange {
		result["generation"] = 1
	}
	return reply{status: 200, result: result}
}

// issuerList lists tokens the way generation 2 does, with their values if asked.
func (s *Sim) issuerList(tokens []*Token, secrets bool) []any {
	list := []any{}
	for _, t := range tokens {
		list = append(list, s.tokenObject(t, secrets))
	}
	ours := map[string]any{"type": "cloudflare_jwt", "issuer": "cloudflare", "cloudflare_tokens": list}
	if !s.o.Strange {
		return []any{ours}
	}
	strange := map[string]any{"type": "customer_jwks", "issuer": "https://idp.example", "keys": []int{1}, "cloudflare_tokens": 7}
	return []any{strange, ours}
}

func (s *Sim) tokenObject(t *Token, secrets bool) map[string]any {
	m := map[string]any{
		"jti": t.ID, "operations": t.Operations,
		"created": t.Created.Format(time.RFC3339), "expires": t.Expires.Format(time.RFC3339),
	}
	if t.Label != "" {
		m["label"] = t.Label
	}
	if secrets {
		m["secret"] = t.Value
	}
	if s.o.Strange {
		m["color"] = nil
	}
	return m
}

func (r *relay) relayObject(status bool) map[string]any {
	created := r.created.Format(time.RFC3339)
	m := map[string]any{"uid": r.id, "name": r.name, "created": created, "modified": created}
	if status {
		m["status"], m["config"] = "connected", map[string]any{}
	}
	return m
}

func (s *Sim) createRelay(q *request) reply {
	var ask struct {
		Name string `json:"name"`
	}
	if rep, ok := q.decodeBody(&ask); !ok {
		return rep
	}
	r := s.addRelay(q.account, randomHex(16), ask.Name)
	q.entry.Relay = r.id
	result := r.relayObject(false)
	result["issuers"] = s.issuerList(r.tokens, true)
	return reply{status: 201, result: result}
}

// listRelays pages by creation time, newest first.
func (s *Sim) listRelays(q *request) reply {
	var found []*relay
	for _, r := range s.relays {
		if r.account == q.account && isWithin(r.created, q.query.Get("created_after"), q.query.Get("created_before")) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *relay) int { return b.created.Compare(a.created) })
	total := len(found)
	if n, err := strconv.Atoi(q.query.Get("per_page")); err == nil && n > 0 {
		found = found[:min(n, total)]
	}
	list := []any{}
	for _, r := range found {
		list = append(list, r.relayObject(false))
	}
	return reply{status: 200, result: list, info: map[string]int{"count": len(list), "total": total}}
}

// isWithin reports whether a time lies within the exclusive bounds of a page; a malformed bound does not bind.
func isWithin(at time.Time, after, before string) bool {
	if t, err := time.Parse(time.RFC3339, after); err == nil && !at.After(t) {
		return false
	}
	t, err := time.Parse(time.RFC3339, before)
	return err != nil || at.Before(t)
}
