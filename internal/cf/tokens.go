package cf

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	sdk "github.com/cloudflare/cloudflare-go/v7/moq"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
)

// issuerJWT is the one issuer type whose tokens are ours to handle; others are ignored.
const issuerJWT = "cloudflare_jwt"

// Create mints a token of relay relayID. The token's id, value and rights are
// checked: an answer that lacks one of them is an Ambiguous error. An expiry that
// Cloudflare refuses is given again by Cloudflare's clock, which the refusal tells, and then
// left to Cloudflare: a wrong clock of this machine is no reason to have no token.
func (c *Client) Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error) {
	wanted := t.Expires
	made, refused, err := c.createOnce(ctx, p, relayID, t)
	p.Reserved = false
	if t.Expires = c.toTheirTime(wanted); refused && t.Expires != wanted && c.knowsAge(time.Until(wanted)) {
		made, refused, err = c.createOnce(ctx, p, relayID, t)
	}
	if refused && c.knowsAge(defaultLife) {
		t.Expires = time.Time{}
		made, _, err = c.createOnce(ctx, p, relayID, t)
	}
	return made, err
}

// defaultLife is how long a token lives whose expiry is left to Cloudflare.
const defaultLife = 365 * 24 * time.Hour

// createOnce asks for a token once; refused: not with this expiry.
func (c *Client) createOnce(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (made moq.Token, refused bool, err error) {
	k := call{op: createToken, relayID: relayID, operations: t.Operations}
	err = c.sendOne(ctx, p, k, func(x *exchange) (problem string, err error) {
		res, err := c.relays.Tokens.New(x.sdkContext(), relayID, c.newParams(t), x.requestOptions()...)
		if err != nil {
			refused = !t.Expires.IsZero() && x.status == http.StatusBadRequest && x.isRefusal() && x.hasCode(codeBadExpiry)
			return "", err
		}
		made, problem = tokenMinted(res, t.Operations)
		x.created = made.Created
		return problem, nil
	})
	if err != nil {
		return moq.Token{}, refused, err
	}
	return made, false, nil
}

func (c *Client) newParams(t moq.NewToken) sdk.RelayTokenNewParams {
	var p sdk.RelayTokenNewParams
	p.AccountID.Value, p.AccountID.Present = c.accountID, true
	for _, o := range t.Operations {
		p.Operations.Value = append(p.Operations.Value, sdk.RelayTokenNewParamsOperation(o))
	}
	p.Operations.Present = true
	p.Label.Value, p.Label.Present = t.Label, t.Label != ""
	p.Expires.Value, p.Expires.Present = t.Expires.UTC().Truncate(time.Second), !t.Expires.IsZero()
	return p
}

// tokenMinted finds the one token with a value in the answer to a create call, or says
// what is wrong with the answer. Other tokens of the relay may be listed beside it.
func tokenMinted(res *sdk.RelayTokenNewResponse, operations []string) (moq.Token, string) {
	var found []moq.Token
	for _, issuer := range res.Issuers {
		if issuer.Type != issuerJWT {
			continue
		}
		for _, t := range issuer.CloudflareTokens {
			if t.Secret != "" {
				found = append(found, moq.Token{
					ID: t.Jti, Operations: toStrings(t.Operations), Created: t.Created, Expires: t.Expires,
					Label: t.Label, Value: secret.New(t.Secret),
				})
			}
		}
	}
	if len(found) != 1 {
		return moq.Token{}, "the answer does not hold exactly one new token with its value"
	}
	return found[0], mintProblem(found[0], operations)
}

func mintProblem(t moq.Token, operations []string) string {
	switch {
	case !moq.IsID(t.ID):
		return "the new token has no valid id (jti)"
	case !t.HasOperations(operations):
		return "the new token does not have the operations that were asked for"
	}
	return ""
}

// List returns the tokens that relay relayID accepts, and expired ones that still take
// up room, in the order of the answer and without their values. An answer that does
// not say which tokens there are is an error, never an empty list; one that may leave some out says
// so. Lists lag: for some seconds one may show what there was before a token was created or revoked.
func (c *Client) List(ctx context.Context, p moq.Priority, relayID string) (moq.TokenList, error) {
	k := call{op: listTokens, relayID: relayID}
	var list moq.TokenList
	err := c.sendOne(ctx, p, k, func(x *exchange) (problem string, err error) {
		var params sdk.RelayTokenListParams
		params.AccountID.Value, params.AccountID.Present = c.accountID, true
		res, err := c.relays.Tokens.List(x.sdkContext(), relayID, params, x.requestOptions()...)
		if err != nil {
			return "", err
		}
		list, problem = tokensListed(res)
		list.Complete = list.Complete && countedAtMost(x.body, len(list.Tokens))
		return problem, nil
	})
	if err != nil {
		return moq.TokenList{}, err
	}
	return list, nil
}

// tokensListed are the tokens of the issuers that are ours to handle. Without such an issuer the list is
// not complete: a relay that has none of its tokens has the issuer all the same.
func tokensListed(res *sdk.RelayTokenListResponse) (list moq.TokenList, problem string) {
	if res.JSON.Issuers.IsMissing() || res.JSON.Issuers.IsInvalid() {
		return list, "the answer holds no list of issuers"
	}
	for _, issuer := range res.Issuers {
		if issuer.Type != issuerJWT {
			continue
		}
		list.Complete = true
		if f := issuer.JSON.CloudflareTokens; f.IsMissing() || f.IsInvalid() {
			return list, "the answer holds no list of tokens"
		}
		for _, t := range issuer.CloudflareTokens {
			if !moq.IsID(t.Jti) {
				return list, "a listed token has no valid id (jti)"
			}
			list.Tokens = append(list.Tokens, moq.Token{
				ID: t.Jti, Operations: toStrings(t.Operations), Created: t.Created, Expires: t.Expires, Label: t.Label,
			})
		}
	}
	return list, ""
}

// countedAtMost reports whether an answer to a list counts no more than it shows: in the words that
// Cloudflare's lists have for it, of which that of tokens has none so far.
func countedAtMost(body []byte, shown int) bool {
	var answer struct {
		Info map[string]any `json:"result_info"`
	}
	_ = json.Unmarshal(body, &answer) // without one, nothing is counted
	for _, word := range []string{"count", "total", "total_count"} {
		if n, ok := answer.Info[word].(float64); ok && n > float64(shown) {
			return false
		}
	}
	pages, _ := answer.Info["total_pages"].(float64)
	cursor, _ := answer.Info["cursor"].(string)
	return pages <= 1 && cursor == ""
}

func toStrings[T ~string](list []T) []string {
	return slices.Collect(func(yield func(string) bool) {
		for _, w := range list {
			if !yield(string(w)) {
				return
			}
		}
	})
}

// Revoke makes relay relayID refuse the token tokenID, within seconds; connections
// already open stay open. Revoking an unknown token succeeds.
func (c *Client) Revoke(ctx context.Context, p moq.Priority, relayID, tokenID string) error {
	k := call{op: revokeToken, relayID: relayID, tokenID: tokenID}
	p.Revoke = true
	return c.sendOne(ctx, p, k, func(x *exchange) (string, error) {
		var params sdk.RelayTokenDeleteParams
		params.AccountID.Value, params.AccountID.Present = c.accountID, true
		_, err := c.relays.Tokens.Delete(x.sdkContext(), relayID, tokenID, params, x.requestOptions()...)
		return "", err
	})
}
