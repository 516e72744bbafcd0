package cf

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// APIToken is what Cloudflare says of the API token that its calls are made with.
type APIToken struct {
	Status  string    // "active"; else the server's word, printed with %q
	Expires time.Time // zero: never
}

// IsActive reports whether Cloudflare takes the token.
func (t APIToken) IsActive() bool { return t.Status == "active" }

// VerifyToken asks how the account's API token stands. It may be the account's own, or a user's: each has an
// endpoint that does not know the other. A token of no status is one of which Cloudflare refuses to tell, which says
// nothing of the account.
func (c *Client) VerifyToken(ctx context.Context, p moq.Priority) (APIToken, error) {
	t, err := c.verifyAt(ctx, p, "accounts", c.accountID)
	if isRefused(err) {
		t, err = c.verifyAt(ctx, p, "user")
	}
	if isRefused(err) {
		return APIToken{}, nil
	}
	return t, err
}

// isRefused reports whether Cloudflare itself said no.
func isRefused(err error) bool {
	if err == nil {
		return false
	}
	switch fault.Of(err).Reason {
	case fault.Unauthorized, fault.Forbidden, fault.NotFound, fault.NotOffered, fault.Invalid:
		return true
	}
	return false
}

// verifyAt asks the endpoint of one kind of owner.
func (c *Client) verifyAt(ctx context.Context, p moq.Priority, owner ...string) (t APIToken, err error) {
	err = c.sendOne(ctx, p, call{op: verifyAPIToken}, func(x *exchange) (problem string, err error) {
		at := c.base.JoinPath(append(owner, "tokens", "verify")...)
		req, err := http.NewRequestWithContext(x.ctx, http.MethodGet, at.String(), nil)
		if err != nil {
			return "", err
		}
		req.Header.Set("Accept", "application/json")
		if _, err := x.Do(req); err != nil { //nolint:bodyclose // Do reads and closes it
			return "", err
		}
		t, problem = tokenVerified(x.body)
		return problem, nil
	})
	if err != nil {
		return APIToken{}, err
	}
	return t, nil
}

// tokenVerified finds in an answer how the token stands, or says what is wrong with the answer.
func tokenVerified(body []byte) (APIToken, string) {
	var answer struct {
		Result struct {
			Status  string    `json:"status"`
			Expires time.Time `json:"expires_on"`
		} `json:"result"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Result.Status == "" {
		return APIToken{}, "the answer does not say how the API token stands"
	}
	return APIToken{answer.Result.Status, answer.Result.Expires}, ""
}
