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

// moverName begins the name under which a move is a candidate.
const moverName = "rotatord state copy"

// electionTime is for how long a move waits to be elected where nobody else is a candidate.
const electionTime = 5 * time.Second

func (m *stateMove) replica() string { return moverName + " on " + m.host }

// hold has this process be the one that is elected.
func (m *stateMove) hold(ctx context.Context) (*leadership.Term, error) {
	if err := m.awaitNobody(ctx); err != nil {
		return nil, err
	}
	e := m.cfg.State.Etcd
	short, cancel := context.WithTimeout(ctx, electionTime)
	defer cancel()
	t, err := leadership.Candidate{
		Client: m.client, Prefix: e.Prefix + electionFolder, Length: e.LeaseTTL, Elapsed: sinceBoot,
		Card: leadership.Card{Replica: m.replica(), Config: m.cfg.Digest(), Since: time.Now()},
	}.Campaign(short)
	if err != nil {
		if inUse := m.inUse(ctx); inUse != nil { // somebody came between
			return nil, inUse
		}
		return nil, etcdjournal.FaultOf("campaign", m.client, e.Prefix, err)
	}
	return t, nil
}

// awaitNobody fails where there are candidates. An earlier move that was killed is one until its lease has ended.
func (m *stateMove) awaitNobody(ctx context.Context) error {
	told := false
	for end := sinceBoot() + m.cfg.State.Etcd.LeaseTTL + electionTime; ; {
		err := m.inUse(ctx)
		if by, used := errors.AsType[usedBy](err); !used || !by.isMover() || sinceBoot() > end {
			return err
		}
		if !told {
			m.Tell("waiting until an earlier copy is gone, which takes " + m.cfg.State.Etcd.LeaseTTL.String() + " if it was killed")
			told = true
		}
		if !wait(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// inUse returns who uses etcd; nil when nobody does.
func (m *stateMove) inUse(ctx context.Context) error {
	e := m.cfg.State.Etcd
	ctx, cancel := context.WithTimeout(ctx, electionTime)
	defer cancel()
	cards, err := leadership.Cards(ctx, m.client, e.Prefix+electionFolder)
	switch {
	case err != nil:
		return etcdjournal.FaultOf("see who uses", m.client, e.Prefix, err)
	case len(cards) == 0:
		return nil
	}
	return fault.Newf(fault.Permanent, fault.Conflict, movingJournal, "", "etcd is in use: %w", usedBy(cards)).
		WithHint("stop all replicas first; one that was killed is gone from here within %s", e.LeaseTTL)
}

// usedBy are candidates, who leads first.
type usedBy []leadership.Card

func (u usedBy) isMover() bool { return strings.HasPrefix(u[0].Replica, moverName) }

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
