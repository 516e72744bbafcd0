package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// checkTarget probes one target and says what it holds.
func (c *online) checkTarget(ctx context.Context, p *slot.Plan, t slot.Target) {
	where := t.Sink + " " + t.Target
	if c.users.differs() && c.isOnThisMachine(t) && c.checkTargetAsDaemon(p, t, where) {
		return
	}
	h, err := c.backends.sinks[t.Sink].Probe(ctx, t.Target, sinks.ProbeOptions{Read: p.Verify, Ours: c.mayBeOurs(p, t)})
	for _, w := range h.Warnings {
		c.found(Warning, "%s: %s", where, w)
	}
	if h.Untried != "" {
		c.found(Note, "%s: not tried: needs a write (%s)", where, h.Untried)
	}
	switch {
	case err != nil && c.users.differs() && c.isHereAlone(t, err):
		if !c.checkTargetAsDaemon(p, t, where) {
			c.found(Warning, "%v; not judged: %s may see it otherwise", err, c.users.service)
		}
	case err != nil && !t.Required:
		c.found(Warning, "%v (the sink is optional)", err)
	case err != nil:
		c.found(Failed, "%v", err)
	case c.isTaken(ctx, p, t):
	case !h.Known:
		c.found(OK, "%s can be written; what it holds cannot be read", where)
	case !h.Exists && c.isMissed(p, t):
		c.found(Warning, "%s can be written; it holds nothing, though rotatord delivered a token there", where)
	case !h.Exists:
		c.found(OK, "%s can be written; it holds nothing yet", where)
	default:
		c.checkContent(p, t, h, where)
	}
}

// isTaken reports whether a target is where another's is, under another name, and says so.
func (c *online) isTaken(ctx context.Context, p *slot.Plan, t slot.Target) bool {
	place, err := c.backends.sinks[t.Sink].Place(ctx, t.Target)
	if err != nil || place == "" {
		return false // the probe has told of what is wrong
	}
	first, taken := c.places[place]
	switch {
	case !taken:
		c.places[place] = fmt.Sprintf("%s %s of slot %s", t.Sink, t.Target, p.Slot())
		return false
	case strings.HasSuffix(first, " of slot "+p.Slot()):
		c.found(Warning, "%s %s is the same place as %s, through a link or a mount: that works only if both have one content",
			t.Sink, t.Target, first)
		return false
	}
	level := Failed
	if !t.Required {
		level = Warning
	}
	c.found(level, "%s %s is the same place as %s, through a link or a mount: "+
		"only the slot that delivered there last can go on; give the other another path", t.Sink, t.Target, first)
	return true
}

// checkContent says whose the content of a target is, as far as that can be told.
func (c *online) checkContent(p *slot.Plan, t slot.Target, h sinks.Holding, where string) {
	size := len(h.Content.Reveal())
	switch st, known := c.statusOf(p, t); {
	case known && st.State == slot.TargetOK:
		c.found(OK, "%s can be written; it holds the token that rotatord delivered", where)
	case c.isOfAnother(p, t):
		c.found(OK, "%s can be written; it holds what rotatord delivered there for another slot, or earlier", where)
	case known && st.RotationID != "" && st.State == slot.TargetPending:
		c.found(Warning, "%s can be written; it has still to be given the latest token", where)
	case known && st.RotationID == "" && !t.Adopt:
		c.found(Failed, "%s holds something rotatord did not write (%d bytes): "+
			"move it away, or set `existing: adopt` on sink %s", where, size, t.Sink)
	case known:
		c.found(Warning, "%s holds %d bytes; the daemon says of it: %s", where, size, st.State)
	case t.Adopt:
		c.found(OK, "%s can be written; it holds %d bytes, which rotatord will take over if it did not write them",
			where, size)
	default:
		c.found(Warning, "%s holds %d bytes; without a running daemon it cannot be told whether rotatord wrote them. "+
			"If not, the rotation is refused: move them away, or set `existing: adopt` on sink %s", where, size, t.Sink)
	}
}

// mayBeOurs doubts what a target holds only where the daemon does.
func (c *online) mayBeOurs(p *slot.Plan, t slot.Target) func(secret.Value) bool {
	st, known := c.statusOf(p, t)
	return func(secret.Value) bool {
		return !known || st.RotationID != "" && st.State != slot.TargetChanged || c.isOfAnother(p, t)
	}
}

// isOfAnother reports whether the daemon took what it saw at a target for its own, though it has not delivered there for
// this slot.
func (c *online) isOfAnother(p *slot.Plan, t slot.Target) bool {
	st, known := c.statusOf(p, t)
	return known && st.RotationID == "" && !st.Checked.IsZero() && st.Error == "" && !t.Adopt
}

// isMissed reports whether the daemon delivered to a target, and not at this moment.
func (c *online) isMissed(p *slot.Plan, t slot.Target) bool {
	st, known := c.statusOf(p, t)
	return known && st.RotationID != "" && st.State != slot.TargetPending
}

// statusOf is what the daemon says of a target, if there is one.
func (c *online) statusOf(p *slot.Plan, t slot.Target) (slot.TargetStatus, bool) {
	sinks := c.statuses[p.Slot()].Sinks
	i := slices.IndexFunc(sinks, func(ts slot.TargetStatus) bool { return ts.Sink == t.Sink && ts.Target == t.Target })
	if i < 0 {
		return slot.TargetStatus{}, false
	}
	return sinks[i], true
}
