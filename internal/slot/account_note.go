package slot

// AccountNote is everything durable about an account: what the next process has to heed.
type AccountNote struct {
	AccountID string `json:"account_id"`
	// BlockedUntil is until when Cloudflare refuses every call of the account, by the wall clock of who was told.
	BlockedUntil Timestamp `json:"blocked_until,omitzero"`
}
