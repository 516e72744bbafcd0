package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/leadership"
)

// copierName begins the name under which a copy is a candidate.
const copierName = "rotatord state copy"

// electionTime is for how long a copy waits to be elected where nobody else is a candidate.
const electionTime = 5 * time.Second

func (c *stateCopy) replica() string { return copierName + " on " + c.host }

// hold has this process be the one that is elected.
func (c *stateCopy) hold(ctx context.Context) (*leadership.Term, error) {
	if err := c.awaitNobody(ctx); err != nil {
		return nil, err
	}
	e := c.cfg.State.Etcd
	short, cancel := context.WithTimeout(ctx, electionTime)
	defer cancel()
	t, err := leadership.Candidate{
		Client: c.client, Prefix: e.Prefix + electionFolder, Length: e.LeaseTTL, Elapsed: sinceBoot,
		Card: leadership.Card{Replica: c.replica(), Config: c.cfg.Digest(), Since: time.Now()},
	}.Campaign(short)
	if err != nil {
		if inUse := c.inUse(ctx); inUse != nil { // somebody came between
			return nil, inUse
		}
		return nil, etcdjournal.FaultOf("campaign", c.client, e.Prefix, err)
	}
	return t, nil
}

// awaitNobody fails where there are candidates. An earlier copy that was killed is one until its lease has ended.
func (c *stateCopy) awaitNobody(ctx context.Context) error {
	told := false
	for end := sinceBoot() + c.cfg.State.Etcd.LeaseTTL + electionTime; ; {
		err := c.inUse(ctx)
		if by, used := errors.AsType[usedBy](err); !used || !by.copy() || sinceBoot() > end {
			return err
		}
		if !told {
			c.Tell("waiting until an earlier copy is gone, which takes " + c.cfg.State.Etcd.LeaseTTL.String() + " if it was killed")
			told = true
		}
		if !wait(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// inUse returns who uses etcd; nil when nobody does.
func (c *stateCopy) inUse(ctx context.Context) error {
	e := c.cfg.State.Etcd
	ctx, cancel := context.WithTimeout(ctx, electionTime)
	defer cancel()
	cards, err := leadership.Cards(ctx, c.client, e.Prefix+electionFolder)
	switch {
	case err != nil:
		return etcdjournal.FaultOf("see who uses", c.client, e.Prefix, err)
	case len(cards) == 0:
		return nil
	}
	return fault.Newf(fault.Permanent, fault.Conflict, copying, "", "etcd is in use: %w", usedBy(cards)).
		WithHint("stop all replicas first; one that was killed is gone from here within %s", e.LeaseTTL)
}

// usedBy are candidates, who leads first.
type usedBy []leadership.Card

func (u usedBy) copy() bool { return strings.HasPrefix(u[0].Replica, copierName) }

// Error names them all.
func (u usedBy) Error() string {
	var list []string
	for i, card := range u {
		does := "stands by"
		if i == 0 {
			does = "leads"
		}
		list = append(list, fmt.Sprintf("the replica %s %s since %s", card.Replica, does, card.Since.UTC().Format(time.RFC3339)))
	}
	return strings.Join(list, ", ")
}

// holderOf says which process has locked a file; "" where the kernel does not tell.
func holderOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if !ok || err != nil {
		return ""
	}
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 1234 08:01:567 0 EOF
		fields := strings.Fields(line)
		if len(fields) > 5 && fields[1] == "FLOCK" && strings.HasSuffix(fields[5], fmt.Sprint(":", file.Ino)) && fields[4] != "-1" {
			return "process " + fields[4] + commandOf(fields[4])
		}
	}
	return ""
}

// commandOf is a process's command line, behind a comma; "" where it is not told.
func commandOf(pid string) string {
	text, err := os.ReadFile("/proc/" + pid + "/cmdline") //nolint:gosec // the kernel told the number
	if err != nil || len(text) == 0 {
		return ""
	}
	return ", " + strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}
