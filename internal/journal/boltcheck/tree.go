package boltcheck

import (
	"bytes"
	"fmt"
)

// bounds are what the keys of a page keep to: from low on, below high; nil is no bound.
// A key outside them would never be found.
type bounds struct{ low, high []byte }

func (f *pageFile) checkTree(id uint64, keys bounds) error {
	flags, count, page, err := f.readPage(id)
	if err != nil {
		return err
	}
	switch flags {
	case branchPage:
		err = f.checkBranch(page, count, keys)
	case leafPage:
		err = f.checkLeaf(page, count, keys)
	default:
		err = damagedf("it is of an unknown kind")
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (f *pageFile) checkBranch(page []byte, count int, within bounds) error {
	list := entriesOf(page, count, within)
	var child uint64
	low := within.low
	for i := range count {
		e, err := list.elementAt(i)
		if err != nil {
			return err
		}
		key, err := list.readKey(i, native.Uint32(e), native.Uint32(e[4:]))
		if err != nil {
			return err
		}
		if i > 0 {
			if err := f.checkTree(child, bounds{low, key}); err != nil {
				return err
			}
		}
		child, low = native.Uint64(e[8:]), key
	}
	return f.checkTree(child, bounds{low, within.high})
}

func (f *pageFile) checkLeaf(page []byte, count int, within bounds) error {
	if count == 0 && !isZero(page[pageHead:]) {
		return damagedf("it has entries, and says that it has none")
	}
	list := entriesOf(page, count, within)
	for i := range count {
		e, err := list.elementAt(i)
		if err != nil {
			return err
		}
		flags, pos, keySize, valueSize := native.Uint32(e), native.Uint32(e[4:]), native.Uint32(e[8:]), native.Uint32(e[12:])
		if _, err := list.readKey(i, pos, keySize); err != nil {
			return err
		}
		value, err := list.readBytes(valueSize)
		if err != nil {
			return err
		}
		if flags&bucketLeaf != 0 {
			if err := f.checkBucket(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// isZero reports whether nothing was written there: bbolt clears what it does not use.
func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// checkBucket follows a bucket to its root page, or into the value when it is kept there.
func (f *pageFile) checkBucket(value []byte) error {
	if len(value) < bucketHead {
		return damagedf("a bucket is cut short")
	}
	if root := native.Uint64(value); root != 0 {
		return f.checkTree(root, bounds{})
	}
	inline := value[bucketHead:]
	if len(inline) < pageHead || native.Uint16(inline[8:]) != leafPage {
		return damagedf("a bucket is cut short")
	}
	return f.checkLeaf(inline, int(native.Uint16(inline[10:])), bounds{})
}

// entries reads a page's keys and values. They adjoin, right after the elements that
// point at them, so a changed count, position or size is noticed.
type entries struct {
	page   []byte
	within bounds
	next   int // where the next key or value begins
}

func entriesOf(page []byte, count int, within bounds) *entries {
	return &entries{page, within, pageHead + count*elementSize}
}

func (l *entries) elementAt(i int) ([]byte, error) {
	start := pageHead + i*elementSize
	if start+elementSize > len(l.page) {
		return nil, damagedf("it has more entries than room")
	}
	return l.page[start : start+elementSize], nil
}

// readKey returns the key of element i, from which pos counts, and goes on behind it.
func (l *entries) readKey(i int, pos, size uint32) ([]byte, error) {
	if pageHead+i*elementSize+int(pos) != l.next {
		return nil, damagedf("its entries do not adjoin")
	}
	key, err := l.readBytes(size)
	if err != nil {
		return nil, err
	}
	order := bytes.Compare(l.within.low, key)
	if order > 0 || order == 0 && i > 0 || l.within.high != nil && bytes.Compare(key, l.within.high) >= 0 {
		return nil, damagedf("its keys are out of order")
	}
	l.within.low = key
	return key, nil
}

func (l *entries) readBytes(size uint32) ([]byte, error) {
	end := l.next + int(size)
	if end > len(l.page) {
		return nil, damagedf("an entry reaches out of it")
	}
	b := l.page[l.next:end]
	l.next = end
	return b, nil
}

// checkFreelist makes sure that no page in use counts as free.
func (f *pageFile) checkFreelist() error {
	if f.head.freelist == noFreelist {
		return nil
	}
	flags, count, page, err := f.readPage(f.head.freelist)
	if err != nil {
		return err
	}
	ids := page[pageHead:]
	if count == countElsewhere {
		count, ids = int(native.Uint64(ids)), ids[8:]
	}
	if flags != freelistPage || count < 0 || count > len(ids)/8 {
		return damagedf("the list of free pages makes no sense")
	}
	for i := range count {
		if err := f.claimPage(native.Uint64(ids[8*i:])); err != nil {
			return fmt.Errorf("list of free pages: %w", err)
		}
	}
	return nil
}
