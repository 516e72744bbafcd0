package moving

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// Inventory is how much a store holds, and a digest of it.
type Inventory struct {
	Slots, Events, Accounts int
	Digest                  string
}

// compare returns an error that says what differs; nil when nothing does.
func (i Inventory) compare(other Inventory) error {
	if i == other {
		return nil
	}
	return fmt.Errorf("%w: one holds %s, the other %s", errDiffer, i, other)
}

// String tells it to people.
func (i Inventory) String() string {
	return fmt.Sprintf("%s, %s, %s, digest %s",
		count(i.Slots, "record"), count(i.Events, "event"), count(i.Accounts, "account note"), i.Digest)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

// shownDigest is how many bytes of a digest are told: it finds mistakes, nobody's malice.
const shownDigest = 8

// counting makes an inventory. Safe for concurrent use.
type counting struct {
	mu     sync.Mutex
	slots  []string // each slot's digest
	events int
}

func (c *counting) add(s Slot) error {
	sum := sha256.New()
	encode := json.NewEncoder(sum)
	if err := encode.Encode(s.Record); err != nil {
		return err
	}
	for _, e := range s.Events {
		if err := encode.Encode(e.Event); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots = append(c.slots, s.Record.Key.String()+" "+hex.EncodeToString(sum.Sum(nil)))
	c.events += len(s.Events)
	return nil
}

// total returns the inventory of the slots that were added, with all else that a store holds.
func (c *counting) total(digestKey []byte, accounts []slot.AccountNote) (Inventory, error) {
	slices.Sort(c.slots)
	accounts = slices.Clone(accounts)
	slices.SortFunc(accounts, func(a, b slot.AccountNote) int { return cmp.Compare(a.AccountID, b.AccountID) })
	text, err := json.Marshal(accounts)
	sum := sha256.Sum256(slices.Concat(digestKey, text, []byte(strings.Join(c.slots, "\n"))))
	return Inventory{len(c.slots), c.events, len(accounts), hex.EncodeToString(sum[:shownDigest])}, err
}

// takeInventory reads all of a store.
func takeInventory(ctx context.Context, s Store, keptEvents int) (Inventory, error) {
	var damaged fault.Several
	accounts, err := s.LoadAccounts(ctx, damaged.Add)
	if err := cmp.Or(err, damaged.Err()); err != nil {
		return Inventory{}, err
	}
	var c counting
	if err := s.Export(ctx, func(of Slot) error { return c.add(of.Last(keptEvents)) }); err != nil {
		return Inventory{}, err
	}
	return c.total(s.DigestKey(), accounts)
}
