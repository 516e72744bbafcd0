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

// Token is one token of a relay's registry.
type Token struct {
	ID         string // jti
	Operations []string
	Created    time.Time
	Expires    time.Time
	Label      string
	Value      string    // the JWT
	known      time.Time // relays refuse it before
	revoked    time.Time
}

type relay struct {
	id, account, name string
	created           time.Time
	tokens            []*Token
	revoked           []*Token          // may still be accepted for a while
	standard          map[string]*Token // by kind: what the rotate call replaces
}

func (r *relay) mintToken(now time.Time, operations []string, expires time.Time, label string) *Token {
	if expires.IsZero() {
		expires = now.Add(year)
	}
	now, expires = now.UTC().Truncate(time.Second), expires.UTC().Truncate(time.Second)
	t := &Token{ID: randomHex(16), Operations: operations, Created: now, Expires: expires, Label: label}
	t.Value = newJWT(r.id, t)
	r.tokens = append(r.tokens, t)
	return t
}

// replaceToken replaces the standard token of a kind; the old one is refused from now on.
func (r *relay) replaceToken(now time.Time, kind string) *Token {
	if old := r.standard[kind]; old != nil {
		r.dropToken(old.ID)
	}
	r.standard[kind] = r.mintToken(now, operationsOf(kind), time.Time{}, "")
	return r.standard[kind]
}

// revokeToken takes a token out of the registry, which relays notice after a while.
func (r *relay) revokeToken(now time.Time, id string) {
	if t := r.dropToken(id); t != nil {
		t.revoked = now
		r.revoked = append(r.revoked, t)
	}
}

func (r *relay) dropToken(id string) *Token {
	i := slices.IndexFunc(r.tokens, func(t *Token) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	t := r.tokens[i]
	r.tokens = slices.Delete(r.tokens, i, i+1)
	for kind, s := range r.standard {
		if s == t {
			delete(r.standard, kind)
		}
	}
	return t
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
