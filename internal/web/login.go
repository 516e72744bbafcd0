package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"

	common "github.com/prometheus/common/config"
	"go.uber.org/zap"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"

	"github.com/rotatord/rotatord/internal/limit"
	"github.com/rotatord/rotatord/internal/redact"
)

// failedLoginDelay is how long a failed login waits for its answer. A right password never waits for it.
const failedLoginDelay = 2 * time.Second

// logins are the ways in with a password. Comparing one with its hash takes a processor for long, on
// purpose. So one is compared at a time, in turns by peer and, within a peer, by connection: who
// guesses keeps a right password waiting for a while at most, and one that was right before not at
// all.
type logins struct {
	config   *webConfig
	log      *zap.Logger
	onFailed func()

	connections, peers *limit.Keyed
	comparing          *limit.Limiter
	proved             provedPasswords
	lines              *rate.Limiter // of failures that are logged, which anybody can cause
	delay              time.Duration
}

func newLogins(c *webConfig, log *zap.Logger, onFailed func()) *logins {
	return &logins{
		config: c, log: log, onFailed: onFailed, connections: limit.NewKeyed(), peers: limit.NewKeyed(), comparing: limit.New(1),
		proved: newProvedPasswords(), lines: rate.NewLimiter(1, 20), delay: failedLoginDelay,
	}
}

// require lets through to next whoever gives a user's password, if the file names any users.
func (l *logins) require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := l.logIn(r)
		if !ok {
			w.Header().Set("WWW-Authenticate", "Basic")
			writeError(w, r, http.StatusUnauthorized, "a user's name and password of server.web_config_file are needed here")
			return
		}
		if name := certificateOf(r); name != "" {
			user = name
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), byKey{}, user)))
	})
}

// logIn names the user that a request's password proves; "" where the file names no users.
func (l *logins) logIn(r *http.Request) (user string, ok bool) {
	users := l.config.get().Users
	if len(users) == 0 {
		return "", true
	}
	name, password, given := r.BasicAuth()
	if !given {
		return "", false
	}
	hash, known := hashOf(name, users)
	if known && l.proved.has(name, hash, password) {
		return "user " + name, true
	}
	return "user " + name, l.compare(r, known, name, hash, password)
}

// hashOf returns the hash of a user's password. For somebody unknown it is another's, so that he is as long in being refused.
func hashOf(name string, users map[string]common.Secret) (hash string, known bool) {
	if h, known := users[name]; known {
		return string(h), true
	}
	for _, h := range users {
		return string(h), false
	}
	return "", false
}

// compare waits for its turn and reports whether a password is that of a hash.
func (l *logins) compare(r *http.Request, known bool, name, hash, password string) bool {
	leave, err := l.connections.Enter(r.Context(), r.RemoteAddr)
	if err != nil {
		return false
	}
	defer leave()
	if right, err := l.compareInTurn(r.Context(), hostOf(r.RemoteAddr), hash, password); err != nil {
		return false // it went away
	} else if right && known {
		l.proved.add(name, hash, password)
		return true
	}
	l.failed(r.RemoteAddr, zap.String("user", redact.Name(name)))
	wait(r.Context(), l.delay)
	return false
}

func (l *logins) compareInTurn(ctx context.Context, peer, hash, password string) (right bool, err error) {
	leave, err := l.peers.Enter(ctx, peer)
	if err != nil {
		return false, err
	}
	defer leave()
	done, err := l.comparing.Enter(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil, nil
}

// failed counts a failed login, and logs it unless there are too many.
func (l *logins) failed(from string, who zap.Field) {
	l.onFailed()
	if l.lines.Allow() {
		l.log.Warn("failed login", zap.String("from", from), who)
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// mostProved is how many users' passwords are known to be right: more than a file has.
const mostProved = 128

// provedPasswords are those that were right, as digests with a key that nobody else has.
type provedPasswords struct {
	key []byte

	mu  *sync.Mutex
	set map[[sha256.Size]byte]bool
}

func newProvedPasswords() provedPasswords {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it never fails
	return provedPasswords{key: key, mu: &sync.Mutex{}, set: map[[sha256.Size]byte]bool{}}
}

func (p provedPasswords) has(name, hash, password string) bool {
	digest := p.digest(name, hash, password)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set[digest]
}

func (p provedPasswords) add(name, hash, password string) {
	digest := p.digest(name, hash, password)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.set) >= mostProved {
		clear(p.set) // former hashes' among them; the others are compared once more
	}
	p.set[digest] = true
}

func (p provedPasswords) digest(parts ...string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, p.key)
	for _, part := range parts {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write([]byte(part))
	}
	return [sha256.Size]byte(h.Sum(sum[:0]))
}

// refusedCertificates tells logins of the handshakes that the server's log has as failed for a client's
// certificate: there is no other place where they can be seen.
type refusedCertificates struct {
	logins *logins
	log    *zap.Logger
}

// Write takes a line of the server's log.
func (c refusedCertificates) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	c.log.Debug(redact.Printable(line))
	from, isHandshake := strings.CutPrefix(line, "http: TLS handshake error from ")
	if from, why, ok := strings.Cut(from, ": "); isHandshake && ok && isAboutCertificate(why) {
		c.logins.failed(from, zap.String("certificate", redact.Printable(why)))
	}
	return len(p), nil
}

func isAboutCertificate(why string) bool {
	for _, words := range []string{"tls: client didn't provide a certificate", "tls: failed to verify certificate", "could not find allowed SANs"} {
		if strings.Contains(why, words) {
			return true
		}
	}
	return false
}
