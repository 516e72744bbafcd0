package rotation

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/slot"
)

// blocks keeps until when Cloudflare refuses the calls of accounts across the end of the process: the next one would call
// too early, and be refused for longer. The zero value is not ready; see newBlocks. It is safe for concurrent use.
type blocks struct {
	mu     sync.Mutex
	told   map[string]slot.Timestamp // by account id, of those that were
	kept   map[string]slot.Timestamp // what of it is durable
	saving map[string]bool

	watching sync.Mutex // of watch alone: an account's budget is locked when it calls note, and to begin or end a watch
	watched  map[string]watchedAccount
}

func newBlocks() *blocks {
	return &blocks{
		told: map[string]slot.Timestamp{}, kept: map[string]slot.Timestamp{}, saving: map[string]bool{},
		watched: map[string]watchedAccount{},
	}
}

// watchedAccount is an account whose blocks are heard of.
type watchedAccount struct {
	client Cloudflare
	stop   func()
}

// load takes in what an earlier process was told.
func (b *blocks) load(notes []slot.AccountNote) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range notes {
		b.told[n.AccountID], b.kept[n.AccountID] = n.BlockedUntil, n.BlockedUntil
	}
}

// until is until when an account was told to be blocked; zero when it was not.
func (b *blocks) until(id string) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told[id].Time()
}

// note notes a block, and reports whether somebody has to save it.
func (b *blocks) note(id string, until time.Time) (save bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := slot.TimestampOf(until.Round(0))
	if at <= b.told[id] {
		return false
	}
	b.told[id] = at
	save = !b.saving[id]
	b.saving[id] = true
	return save
}

// next is what is to be saved of an account; false when all of it is durable.
func (b *blocks) next(id string) (n slot.AccountNote, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.saving[id] = b.told[id] != b.kept[id]; !b.saving[id] {
		return n, false
	}
	return slot.AccountNote{AccountID: id, BlockedUntil: b.told[id]}, true
}

// unsaved are the accounts of which something is not durable.
func (b *blocks) unsaved() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, at := range b.told {
		if at != b.kept[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// saved notes what became of a save; after one that failed the next block is saved, too.
func (b *blocks) saved(n slot.AccountNote, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.kept[n.AccountID] = n.BlockedUntil
	} else {
		b.saving[n.AccountID] = false
	}
}

// watch has f called for each block of those accounts, and of no others any more.
func (b *blocks) watch(accounts map[string]Cloudflare, f func(id string, until time.Time)) {
	b.watching.Lock()
	defer b.watching.Unlock()
	for id, w := range b.watched {
		if w.client != accounts[id] {
			w.stop()
			delete(b.watched, id)
		}
	}
	for id, c := range accounts {
		if _, known := b.watched[id]; !known {
			b.watched[id] = watchedAccount{c, c.WatchBlock(func(until time.Time) { f(id, until) })}
		}
	}
}

// loadBlocks takes in until when accounts were blocked as the journal says. Without a note an account is called too early
// at worst, and is told anew until when it is blocked: that is no reason to rotate nothing.
func (e *Engine) loadBlocks(ctx context.Context) error {
	notes, err := e.Journal.LoadAccounts(ctx, func(err error) {
		e.Log.Warn("what is kept of an account is damaged, and does not count; the next block of the account is written over it", zap.Error(err))
	})
	e.blocks.load(notes)
	return err
}

// obeyBlocks has the accounts of the first configuration wait as an earlier process was told, and those of a term begin
// their budgets anew.
func (e *Engine) obeyBlocks(accounts map[string]Cloudflare) {
	for id, c := range accounts {
		if e.TakeOver {
			c.BeginTerm()
		}
		if until := e.blocks.until(id); until.After(e.now()) {
			c.Block(until)
		}
	}
}

// watchBlocks has what Cloudflare says of blocks be journalled.
func (e *Engine) watchBlocks(accounts map[string]Cloudflare) { e.blocks.watch(accounts, e.noteBlock) }

// noteBlock is called with the account's budget locked: it does not wait.
func (e *Engine) noteBlock(id string, until time.Time) {
	if e.blocks.note(id, until) {
		e.start(func() { e.saveBlock(e.saving(), id) }) // or, once nothing begins any more, saveLastBlocks
	}
}

// saveBlock makes an account's latest block durable, and reports whether it is. What cannot be saved is lost with the
// process at most.
func (e *Engine) saveBlock(ctx context.Context, id string) bool {
	for n, ok := e.blocks.next(id); ok; n, ok = e.blocks.next(id) {
		err := e.Journal.SaveAccount(ctx, n)
		e.blocks.saved(n, err)
		if e.haltsFor(err) {
			return false
		}
		if err != nil {
			e.Log.Warn("until when Cloudflare refuses an account's calls cannot be journalled", zap.String("account_id", id), zap.Error(err))
			return false
		}
	}
	return true
}

// lastBlocksTime is for how long a stop waits for them.
const lastBlocksTime = 2 * time.Second

// saveLastBlocks makes durable what was told while nothing began any more, by the answers to the last calls. No pass is
// under way, and nobody is told of more.
func (e *Engine) saveLastBlocks() {
	ctx, cancel := context.WithTimeout(e.saving(), lastBlocksTime)
	defer cancel()
	for _, id := range e.blocks.unsaved() {
		if !e.saveBlock(ctx, id) {
			return
		}
	}
}

// accountsOf are the open accounts of plans, by id.
func accountsOf(plans []*slot.Plan, open Accounts) map[string]Cloudflare {
	all := map[string]Cloudflare{}
	for _, p := range plans {
		if _, known := all[p.Key.AccountID]; known {
			continue
		}
		if c, ok := open.Account(p.Key.AccountID); ok {
			all[p.Key.AccountID] = c
		}
	}
	return all
}
