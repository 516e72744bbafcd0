package cf

import (
	"context"
	"time"

	sdk "github.com/cloudflare/cloudflare-go/v7/moq"

	"github.com/rotatord/rotatord/internal/moq"
)

// Relay is what Cloudflare says of a relay. Its words are the server's: print them with %q.
type Relay struct {
	Name    string
	Status  string // "connected" while in use, else empty
	Created time.Time
}

// Relay looks a relay up. It changes nothing.
func (c *Client) Relay(ctx context.Context, p moq.Priority, relayID string) (Relay, error) {
	k := call{op: getRelay, relayID: relayID}
	var r Relay
	err := c.sendOne(ctx, p, k, func(x *exchange) (string, error) {
		var params sdk.RelayGetParams
		params.AccountID.Value, params.AccountID.Present = c.accountID, true
		res, err := c.relays.Get(x.sdkContext(), relayID, params, x.requestOptions()...)
		if err != nil {
			return "", err
		}
		r = Relay{Name: res.Name, Status: string(res.Status), Created: res.Created}
		if res.UID != relayID {
			return "the answer is not about this relay", nil
		}
		return "", nil
	})
	return r, err
}
