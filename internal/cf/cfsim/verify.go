package cfsim

import (
	"cmp"
	"slices"
	"time"
)

// verified tells how an API token stands, where tokens of its owner's kind are asked for.
func (b *bearer) verified(q *request) reply {
	switch ofAccount := q.account != ""; {
	case ofAccount && !slices.Contains(b.accounts, q.account):
		return refusalOf(403, 10000, "Authentication error")
	case ofAccount != (b.owner == OwnedByAccount):
		return refusalOf(404, 7003, "Could not find the token")
	}
	result := map[string]any{"id": "00000000000000000000000000000000", "status": cmp.Or(b.status, "active")}
	if !b.expires.IsZero() {
		result["expires_on"] = b.expires.UTC().Format(time.RFC3339)
	}
	return reply{status: 200, result: result}
}
