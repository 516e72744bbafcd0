package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// prefix begins every key in etcd.
const prefix = "/rotatord/"

// chronicle is what etcd held, revision by revision, and who called Cloudflare, and when.
type chronicle struct {
	world  *world
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	terms    []term
	calls    []call
	slots    map[string]*progress
	resigned time.Time // of the machine's own clock
	begun    int       // rotations
	faults   []string
	written  *os.File // every value
}

// term is a leadership, as its record tells.
type term struct {
	card     []byte
	revision int64     // of the election's key
	seen     time.Time // by this test, of the machine's own clock
}

// progress is how far a slot has come, as its record said.
type progress struct {
	pending, minted string // rotation ids
	met             time.Time
}

func newChronicle(w *world, etcd *clientv3.Client) *chronicle {
	ctx, cancel := context.WithCancel(w.Context())
	c := &chronicle{world: w, cancel: cancel, slots: map[string]*progress{}}
	c.written = harness.Must[*os.File](w)(os.Create(w.Path("etcd-values")))
	c.wg.Go(func() { c.follow(ctx, etcd) })
	w.Cleanup(c.end)
	return c
}

func (c *chronicle) end() {
	c.cancel()
	c.wg.Wait()
	_ = c.written.Close()
}

// follow reads all that is written to etcd, in order. The client's watch survives the loss of members.
func (c *chronicle) follow(ctx context.Context, etcd *clientv3.Client) {
	for answer := range etcd.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(1)) {
		for _, e := range answer.Events {
			key := strings.TrimPrefix(string(e.Kv.Key), prefix)
			if e.Type != clientv3.EventTypePut {
				c.noteDeletion(key)
				continue
			}
			_, _ = c.written.Write(append(e.Kv.Value, '\n'))
			c.note(key, e.Kv.Value, e.Kv.ModRevision)
		}
	}
}

func (c *chronicle) note(key string, value []byte, revision int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case key == "meta/term":
		c.noteTerm(contentOf(value))
		c.world.note("term at revision %d: %s", revision, contentOf(value))
	case strings.HasPrefix(key, "slots/"):
		var r slot.Record
		if err := json.Unmarshal(contentOf(value), &r); err != nil {
			c.fault("the record of %s cannot be read: %v", key, err)
			return
		}
		c.noteRecord(&r, revision)
	}
}

// noteDeletion takes down that a candidate is one no more.
func (c *chronicle) noteDeletion(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.HasPrefix(key, "election/") {
		c.resigned = time.Now()
	}
}

// lastResigned is when a candidate was last seen to be one no more.
func (c *chronicle) lastResigned() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resigned
}

// noteTerm takes down a new term. The record of one is written again when the leader applies another configuration.
func (c *chronicle) noteTerm(record []byte) {
	var r struct{ Revision int64 }
	if err := json.Unmarshal(record, &r); err != nil {
		c.fault("the term %q cannot be read: %v", record, err)
	}
	if n := len(c.terms); n == 0 || c.terms[n-1].revision != r.Revision {
		c.terms = append(c.terms, term{record, r.Revision, time.Now()})
	}
}

// contentOf is what lies in an envelope of etcdjournal's, or without one.
func contentOf(value []byte) []byte {
	const head = 1 + 32 + 16 + 8 + 8
	if len(value) > head && value[head] == '{' {
		return value[head:]
	}
	return value[max(0, bytes.IndexByte(value, '{')):]
}

// noteRecord looks whether a slot begins a rotation for an instant for which another one brought a token.
func (c *chronicle) noteRecord(r *slot.Record, revision int64) {
	p := c.slots[r.Key.String()]
	if p == nil {
		p = &progress{}
		c.slots[r.Key.String()] = p
	}
	if m := r.PendingMint; m != nil && m.ID != p.pending {
		p.pending = m.ID
		c.begun++
		instant := m.MeetsThrough.Time()
		if m.Cause == slot.CauseSchedule && p.minted != "" && !instant.After(p.met) {
			c.fault("%s: rotation %s begins at revision %d for %s, up to which %s met the schedule (%s)",
				r.Key, m.ID, revision, instant.UTC().Format(time.RFC3339Nano), p.minted, p.met.UTC().Format(time.RFC3339Nano))
		}
		if ahead := instant.Sub(c.world.now()); ahead > 10*time.Second {
			c.fault("%s: rotation %s begins for an instant that is %s ahead", r.Key, m.ID, ahead)
		}
	}
	if rot := r.Rotation; rot != nil && rot.ID != p.minted {
		p.minted = rot.ID
		if at := rot.MeetsThrough.Time(); at.After(p.met) {
			p.met = at
		}
	}
}

func (c *chronicle) fault(format string, args ...any) {
	c.world.note("LOSS "+format, args...)
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}
