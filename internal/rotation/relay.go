package rotation

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
)

// RelayToken is one token that a relay holds, as Cloudflare lists it and as the
// journal knows it.
type RelayToken struct {
	ID         string    `json:"token_id"`
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
	Prunable bool      `json:"prunable,omitempty"`  // a former token of ours that no sink of ours holds
	Revoked  bool      `json:"revoked,omitempty"`   // by this very prune
}

// Owner says whose a token is.
type Owner string

// The owners.
const (
	Ours          Owner = "ours"           // minted by this installation, as its journal proves
	Former        Owner = "former"         // labelled by this installation, unknown to its journal
	OtherInstance Owner = "other_instance" // labelled by another installation of rotatord
	Others        Owner = "others"         // anybody's
)

// Tokens lists what a relay holds.
func (e *Engine) Tokens(ctx context.Context, relay string) ([]RelayToken, error) {
	slots, err := e.ofRelay(relay)
	if err != nil {
		return nil, err
	}
	cf, err := e.account(slots[0])
	if err != nil {
		return nil, err
	}
	listed, err := cf.List(ctx, moq.Priority{Urgency: moq.Routine}, slots[0].rec.Key.RelayID)
	if err != nil {
		return nil, err
	}
	out := make([]RelayToken, len(listed))
	for i, t := range listed {
		out[i] = e.describe(t, slots)
	}
	e.findServers(ctx, out, slots)
	return out, nil
}

// Prune revokes the former tokens of this installation that no sink of ours
// holds; with dryRun it only says which.
func (e *Engine) Prune(ctx context.Context, relay string, dryRun bool) ([]RelayToken, error) {
	tokens, err := e.Tokens(ctx, relay)
	if err != nil {
		return nil, err
	}
	tokens = slices.DeleteFunc(tokens, func(t RelayToken) bool { return t.Owner != Former })
	if dryRun {
		return tokens, nil
	}
	slots, err := e.ofRelay(relay)
	if err != nil {
		return nil, err
	}
	for i := range tokens {
		if !tokens[i].Prunable {
			continue
		}
		if err := e.revokeID(slots[0], tokens[i].ID); err != nil {
			return tokens, err
		}
		tokens[i].Revoked = true
		e.Log.Info("former token pruned", zap.String("relay", relay), zap.String("token_id", tokens[i].ID))
	}
	return tokens, nil
}

// ofRelay finds all slots of a configured relay, those that left the
// configuration too; a configured one is first.
func (e *Engine) ofRelay(relay string) ([]*slot, error) {
	var first *slot
	for _, t := range moq.Types() {
		if s, err := e.named(relay, string(t)); err == nil {
			first = s
		}
	}
	if first == nil {
		return nil, fault.Newf(fault.Permanent, fault.NotFound, "find relay", relay, "no such relay is configured").
			WithHint("`rotatord status` lists the relays")
	}
	out := []*slot{first}
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, t := range moq.Types() {
		k := moq.Key{AccountID: first.rec.Key.AccountID, RelayID: first.rec.Key.RelayID, Type: t}
		if s := e.slots[k]; s != nil && s != first {
			out = append(out, s)
		}
	}
	return out, nil
}

// describe says whose a listed token is.
func (e *Engine) describe(t moq.Token, slots []*slot) RelayToken {
	out := RelayToken{
		ID: t.ID, Operations: t.Operations, Label: t.Label, Created: utc(t.Created), Expires: utc(t.Expires), Owner: Others,
	}
	if instance, ok := moq.LabelInstance(t.Label); ok {
		out.Instance, out.Owner = instance, OtherInstance
		if instance == e.Instance {
			out.Owner = Former
		}
	}
	for _, s := range slots {
		s.claim(&out, t)
	}
	return out
}

// claim marks a listed token that the slot's record accounts for.
func (s *slot) claim(out *RelayToken, t moq.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.owns(t) {
		return
	}
	out.Owner, out.Slot = Ours, s.name()
	for _, o := range s.rec.Old {
		if o.ID == t.ID {
			out.Rotation, out.Retire = o.RotationID, o.Retire.Time()
			if o.NotOurs {
				out.Owner = Others
			}
		}
	}
	if rot := s.rec.Rotation; rot != nil && rot.Token != nil && rot.Token.ID == t.ID {
		out.Rotation = rot.ID
	}
	if sv := s.rec.Served; sv != nil && sv.ID == t.ID {
		out.Rotation = sv.RotationID
	}
}

// findServers reads every target of the slots and says which token each holds.
// A target whose content cannot be told forbids all pruning.
func (e *Engine) findServers(ctx context.Context, tokens []RelayToken, slots []*slot) {
	certain := true
	for _, s := range slots {
		s.mu.Lock()
		plan, rec := s.plan, s.rec.clone()
		s.mu.Unlock()
		if plan == nil {
			continue
		}
		for _, t := range plan.Targets {
			certain = e.findServer(ctx, tokens, s, rec, t) && certain
		}
	}
	for i := range tokens {
		tokens[i].Prunable = certain && tokens[i].Owner == Former && len(tokens[i].ServedBy) == 0
	}
}

func (e *Engine) findServer(ctx context.Context, tokens []RelayToken, s *slot, rec *Record, t Target) (certain bool) {
	sink, err := e.sink(t)
	if err != nil {
		return false
	}
	h, err := sink.Read(ctx, t.Target)
	if err != nil {
		return false
	}
	if !h.Exists {
		return true
	}
	rc, digest := rec.Receipts.At(t.Location), e.digest(s, h.Content)
	holds := holderOf(rc, digest, h.Content)
	for i := range tokens {
		if holds(&tokens[i]) {
			tokens[i].ServedBy = append(tokens[i].ServedBy, t.Sink)
			certain = true
		}
	}
	return certain || bytes.Equal(rc.Digest, digest)
}

// holderOf tells which token a content is of: by the receipt when it is what was
// delivered, else by the token's id in it or in the claims of a JWT in it.
func holderOf(rc Receipt, digest []byte, content secret.Value) func(*RelayToken) bool {
	if rc.RotationID != "" && string(rc.Digest) == string(digest) {
		return func(t *RelayToken) bool { return t.Rotation == rc.RotationID }
	}
	text := content.Reveal() + " " + claims(content)
	return func(t *RelayToken) bool { return strings.Contains(text, t.ID) }
}

// idsIn gives what looks like a token's id in a content, or in a JWT in it. It is
// called for every look at a target, so it does without regular expressions, and
// what it gives keeps nothing of the content.
func idsIn(content secret.Value) (ids []string) {
	for _, text := range []string{content.Reveal(), claims(content)} {
		for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !isWord(r) }) {
			if len(word) == 32 && moq.IsID(word) {
				ids = append(ids, strings.Clone(word))
			}
		}
	}
	return ids
}

func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// claims gives the decoded claims of every JWT in a content. They hold no secret
// but the caller's business is with ids only.
func claims(content secret.Value) string {
	var b strings.Builder
	for text := range strings.FieldsFuncSeq(content.Reveal(), func(r rune) bool { return r != '.' && r != '-' && !isWord(r) }) {
		parts := strings.Split(text, ".")
		for i := 1; i < len(parts)-1; i++ {
			if payload, err := base64.RawURLEncoding.DecodeString(parts[i]); err == nil {
				b.Write(payload)
			}
		}
	}
	return b.String()
}
