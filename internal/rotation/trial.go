package rotation

import (
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// trialSize is the length of the value that a trial renders.
const trialSize = 1 << 10

// standIn is a record like the next one, with a value that is shaped like a JWT.
func (e *Engine) standIn(s *slot) sinks.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := e.now()
	rot := &Rotation{
		ID: strings.Repeat("0", 26), MintedAt: MomentOf(now),
		Names: Names{Relay: s.plan.Relay, Account: s.plan.Account, Instance: e.Instance},
		Token: &Token{ID: strings.Repeat("0", 32), Expires: MomentOf(now.Add(time.Hour))},
	}
	return recordOf(s.rec.Key, rot, secret.New(jwtShaped(trialSize)))
}

// jwtShaped is a text of n bytes in three parts, as a signed token is.
func jwtShaped(n int) string {
	header, payload := n/8, n/2
	return strings.Repeat("A", header) + "." + strings.Repeat("A", payload) + "." + strings.Repeat("A", n-header-payload-2)
}
