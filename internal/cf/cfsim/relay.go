package cfsim

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

const (
	publishSubscribe = "publish_subscribe"
	subscribe        = "subscribe"
)

var kinds = []string{publishSubscribe, subscribe}

func operationsOf(kind string) []string {
	if kind == publishSubscribe {
		return []string{"publish", "subscribe"}
	}
	return []string{"subscribe"}
}

// maxDropped is how many revoked tokens a list that lags may still show.
const maxDropped = 100

// Token is one token of a relay's registry.
type Token struct {
	ID         string // jti
	Operations []string
	Created    time.Time
	Expires    time.Time
	Label      string
	Value      string    // the JWT
	known      time.Time // relays refuse it before
	made       time.Time
	revoked    time.Time
}

type relay struct {
	id, account, name string
	created           time.Time
	tokens            []*Token
	revoked           []*Token          // may still be accepted for a while
	dropped           []*Token          // may still be listed for a while
	standard          map[string]*Token // by kind: what the rotate call replaces
}

func (r *relay) mintToken(now time.Time, operations []string, expires time.Time, label string) *Token {
	if expires.IsZero() {
		expires = now.Add(year)
	}
	t := &Token{
		ID: randomHex(16), Operations: operations, Label: label, made: now,
		Created: now.UTC().Truncate(time.Second), Expires: expires.UTC().Truncate(time.Second),
	}
	t.Value = newJWT(r.id, t)
	r.tokens = append(r.tokens, t)
	return t
}

// replaceToken replaces the standard token of a kind; the old one is refused from now on.
func (r *relay) replaceToken(now time.Time, kind string) *Token {
	if old := r.standard[kind]; old != nil {
		r.dropToken(now, old.ID)
	}
	r.standard[kind] = r.mintToken(now, operationsOf(kind), time.Time{}, "")
	return r.standard[kind]
}

// revokeToken takes a token out of the registry, which relays notice after a while.
func (r *relay) revokeToken(now time.Time, id string) {
	if t := r.dropToken(now, id); t != nil {
		r.revoked = append(r.revoked, t)
	}
}

func (r *relay) dropToken(now time.Time, id string) *Token {
	i := slices.IndexFunc(r.tokens, func(t *Token) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	t := r.tokens[i]
	r.tokens, t.revoked = slices.Delete(r.tokens, i, i+1), now
	r.dropped = append(r.dropped[max(0, len(r.dropped)-maxDropped):], t)
	for kind, s := range r.standard {
		if s == t {
			delete(r.standard, kind)
		}
	}
	return t
}

// listed are the tokens that a list shows which lags by so much: those of then.
func (r *relay) listed(now time.Time, lag time.Duration) (out []*Token) {
	then := now.Add(-lag)
	r.dropped = slices.DeleteFunc(r.dropped, func(t *Token) bool { return !t.revoked.After(then) })
	for _, t := range slices.Concat(r.dropped, r.tokens) {
		if !t.made.After(then) {
			out = append(out, t)
		}
	}
	return out
}

func (r *relay) acceptsValue(now time.Time, value string, propagation time.Duration) bool {
	valid := func(t *Token) bool { return t.Value == value && !now.Before(t.known) && now.Before(t.Expires) }
	r.revoked = slices.DeleteFunc(r.revoked, func(t *Token) bool { return !now.Before(t.revoked.Add(propagation)) })
	return slices.ContainsFunc(r.tokens, valid) || slices.ContainsFunc(r.revoked, valid)
}

// newJWT makes a value of a JWT's shape; its signature is random.
func newJWT(relayID string, t *Token) string {
	header := map[string]any{"alg": "ES256", "kid": "moq-1", "typ": "JWT"}
	claims := map[string]any{
		"aud": "moq.cloudflare.com", "sub": relayID, "jti": t.ID, "operations": t.Operations, "exp": t.Expires.Unix(),
	}
	return encodePart(header) + "." + encodePart(claims) + "." + base64.RawURLEncoding.EncodeToString(randomBytes(64))
}

func encodePart(claims map[string]any) string {
	b, _ := json.Marshal(claims) // strings and numbers only
	return base64.RawURLEncoding.EncodeToString(b)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func randomHex(n int) string { return hex.EncodeToString(randomBytes(n)) }
