package slot

import "time"

// RelayToken is one token that a relay holds, as Cloudflare lists it and as the
// journal knows it.
type RelayToken struct {
	TokenID    string    `json:"token_id"`
	Operations []string  `json:"operations"`
	Label      string    `json:"label,omitempty"`
	Created    time.Time `json:"created,omitzero"`
	Expires    time.Time `json:"expires,omitzero"`

	Owner    Owner     `json:"owner"`
	Instance string    `json:"instance,omitempty"`  // the installation that its label names
	Slot     string    `json:"slot,omitempty"`      // relay/type, when the journal knows it
	Rotation string    `json:"rotation,omitempty"`  // the rotation that minted it
	Retire   time.Time `json:"retire,omitzero"`     // when its grace ends
	ServedBy []string  `json:"served_by,omitempty"` // the sinks that hold it
	Prunable bool      `json:"prunable,omitempty"`  // former, or (by its id) a namesake's: no configured target holds it, or it has expired
	Revoked  bool      `json:"revoked,omitempty"`   // by this very prune
}

// Owner says whose a token is.
type Owner string

// The owners.
const (
	Ours            Owner = "ours"             // minted by this installation, as its journal proves
	Former          Owner = "former"           // labelled by this installation, of no slot that is configured
	ForeignInstance Owner = "foreign_instance" // labelled by another living installation of this one's name
	OtherInstance   Owner = "other_instance"   // labelled by another installation of rotatord
	Others          Owner = "others"           // anybody's
)
