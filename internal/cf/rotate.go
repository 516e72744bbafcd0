package cf

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
)

// Rotate replaces the relay's token of type t, which dies at once, and returns the
// new value, which Cloudflare shows only here. Cloudflare's SDK no longer has this call.
func (c *Client) Rotate(ctx context.Context, p moq.Priority, relayID string, t moq.TokenType) (secret.Value, error) {
	k := call{op: rotateToken, relayID: relayID, kind: t}
	var value secret.Value
	err := c.sendOne(ctx, p, k, func(x *exchange) (problem string, err error) {
		req, err := c.rotateRequest(x, relayID, t)
		if err != nil {
			return "", err
		}
		if _, err := x.Do(req); err != nil { //nolint:bodyclose // Do reads and closes it
			return "", err
		}
		value, problem = valueRotated(x.body, t)
		return problem, nil
	})
	if err != nil {
		return secret.Value{}, err
	}
	return value, nil
}

func (c *Client) rotateRequest(x *exchange, relayID string, t moq.TokenType) (*http.Request, error) {
	body, err := json.Marshal(map[string]moq.TokenType{"type": t})
	if err != nil {
		return nil, err
	}
	at := c.base.JoinPath("accounts", c.accountID, "moq", "relays", relayID, "tokens", "rotate")
	req, err := http.NewRequestWithContext(x.ctx, http.MethodPost, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// valueRotated finds the new value in an answer, or says what is wrong with the answer.
func valueRotated(body []byte, want moq.TokenType) (secret.Value, string) {
	var answer struct {
		Result struct {
			Token secret.Value  `json:"token"`
			Type  moq.TokenType `json:"type"`
		} `json:"result"`
	}
	_ = json.Unmarshal(body, &answer) // a field that is not understood must not cost the token
	got := answer.Result
	switch {
	case got.Token.IsEmpty():
		return secret.Value{}, "the answer does not hold a new token"
	case got.Type != "" && got.Type != want:
		return secret.Value{}, "the answer is about another type of token"
	}
	return got.Token, ""
}
