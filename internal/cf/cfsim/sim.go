// Package cfsim simulates the part of Cloudflare's API that manages the tokens of
// MoQ relays, in both of its generations, with its limits, its errors and, on
// demand, the failures of a network. It serves tests and `rotatord dev`.
//
// A Sim (sim.go) is told which accounts, API tokens and relays there are, and what each may do. It
// answers over HTTP (ServeHTTP) or, for tests in virtual time, without sockets (Transport).
// What goes wrong is said beforehand: Next for the calls that follow (fault.go), Random for any, and a
// call that is lost may have been carried out. What it knows of tokens a test asks it directly.
package cfsim

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// BaseURL is the address to give a client that sends through Transport. A server
// that serves a Sim on loopback has the same path: its URL + BasePath.
const (
	BaseURL  = "http://cloudflare.invalid" + BasePath
	BasePath = "/client/v4"
)

const (
	maxTokens = 10 // of one relay; expired ones count until they are deleted
	year      = 365 * 24 * time.Hour
	maxBody   = 64 << 10
	maxLog    = 100_000 // calls; older ones are forgotten
)

// Generation is a set of generations of the API.
type Generation uint8

// The generations that an account may offer.
const (
	Gen1 Generation = 1 << iota // rotate
	Gen2                        // create, list, revoke
	Both = Gen1 | Gen2
)

// Permission is what an API token may do with MoQ.
type Permission uint8

// The permissions.
const (
	None Permission = iota
	Read
	Edit
)

// Op is one kind of call.
type Op string

// The kinds of call.
const (
	Create      Op = "create"
	List        Op = "list"
	Revoke      Op = "revoke"
	Rotate      Op = "rotate"
	GetRelay    Op = "get relay"
	ListRelays  Op = "list relays"
	CreateRelay Op = "create relay"
	VerifyToken Op = "verify"
	unknownOp   Op = "unknown"
)

// Options are all optional.
type Options struct {
	Now     func() time.Time // default: time.Now
	Latency time.Duration    // from a call's effect to its answer
	// Propagation is how long a relay goes on accepting a revoked token.
	Propagation time.Duration
	// Unknown is for how long a relay refuses a token that was created just now; nil: not at all.
	Unknown func(relayID string) time.Duration
	// MaxLife is the longest life of a token, and what it has when nothing is asked; 0: a year.
	MaxLife time.Duration
	// ListLag is how long a list goes on showing what there was before a token was created or revoked.
	ListLag time.Duration
	// Strange adds unknown fields and issuer types to answers, as a beta API may.
	Strange bool
}

// Sim is one simulated Cloudflare; an http.Handler. It is safe for concurrent use.
type Sim struct {
	o Options

	mu       sync.Mutex
	accounts map[string]Generation // that each offers
	bearers  map[string]*bearer
	relays   map[string]*relay
	scripts  map[Op][]Fault
	chances  []Chance
	random   *rand.Rand
	late     []lateCommit
	calls    []Call
	counts   map[Op]int
}

// bearer is one API token of Cloudflare's.
type bearer struct {
	permission Permission
	accounts   []string
	limit      limiter
	owner      Owner
	status     string // "": active
	expires    time.Time
}

// Owner is whose an API token is. One of an account cannot be verified as a user's, and the other way round.
type Owner uint8

// The owners.
const (
	OwnedByAccount Owner = iota
	OwnedByUser
)

// SetAPIToken sets what is told of an API token when it is verified; the zero time: it does not expire.
func (s *Sim) SetAPIToken(value string, o Owner, status string, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.bearers[value]; b != nil {
		b.owner, b.status, b.expires = o, status, expires
	}
}

// New makes an empty Cloudflare.
func New(o Options) *Sim {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxLife == 0 {
		o.MaxLife = year
	}
	return &Sim{
		o: o, accounts: map[string]Generation{}, bearers: map[string]*bearer{}, relays: map[string]*relay{},
		scripts: map[Op][]Fault{}, counts: map[Op]int{},
	}
}

var _ http.Handler = (*Sim)(nil)

// AddAccount adds an account, or changes what an account offers.
func (s *Sim) AddAccount(id string, g Generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[id] = g
}

// AddAPIToken adds an API token for the accounts, or changes it.
func (s *Sim) AddAPIToken(value string, p Permission, accounts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bearers[value] = &bearer{permission: p, accounts: accounts}
}

// RemoveAPIToken makes an API token unknown.
func (s *Sim) RemoveAPIToken(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.bearers, value)
}

// AddRelay adds a relay under an id of the caller's, with one token of each kind.
func (s *Sim) AddRelay(accountID, id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addRelay(accountID, id, name)
}

func (s *Sim) addRelay(accountID, id, name string) *relay {
	now := s.o.Now()
	r := &relay{id: id, account: accountID, name: name, created: now.UTC().Truncate(time.Second), standard: map[string]*Token{}}
	for _, kind := range kinds {
		r.standard[kind] = r.mintToken(now, operationsOf(kind), time.Time{}, "")
	}
	s.relays[id] = r
	return r
}

// RemoveRelay deletes a relay with its tokens.
func (s *Sim) RemoveRelay(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.relays, id)
}

// Accepts reports whether the relay would let a client with this token in now.
func (s *Sim) Accepts(relayID, value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	s.commitLate(now)
	r := s.relays[relayID]
	return r != nil && r.acceptsValue(now, value, s.o.Propagation)
}

// Unknown reports whether the relay refuses a token only because it is too new.
func (s *Sim) Unknown(relayID, value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, r := s.o.Now(), s.relays[relayID]
	return r != nil && slices.ContainsFunc(r.tokens, func(t *Token) bool { return t.Value == value && now.Before(t.known) })
}

// LagLists has lists lag from now on, as Options.ListLag says.
func (s *Sim) LagLists(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.ListLag = d
}

// Tokens lists what the relay's registry holds, expired tokens included, oldest first.
func (s *Sim) Tokens(relayID string) []Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commitLate(s.o.Now())
	var list []Token
	if r := s.relays[relayID]; r != nil {
		for _, t := range r.tokens {
			list = append(list, *t)
		}
	}
	return list
}

// Call is one entry of the log. It holds no token's value.
type Call struct {
	At     time.Time // when it arrived
	Op     Op
	Relay  string
	Token  string // the jti that was created or revoked
	Type   string // of a rotate call
	Status int    // 0: it was not answered
	Fault  Kind   // "" when none was injected
	Method string
	Path   string
	Body   string // as received
}

// Calls lists the calls that arrived, oldest first; the newest 100,000 are kept.
// A refused connection is not a call.
func (s *Sim) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Counts says how many calls of each kind arrived.
func (s *Sim) Counts() map[Op]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

func (s *Sim) recordCall(c Call) {
	if s.counts[c.Op]++; len(s.calls) == maxLog {
		s.calls = slices.Delete(s.calls, 0, maxLog/10)
	}
	s.calls = append(s.calls, c)
}
