package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// verify looks at a file under bbolt's shared lock, without writing: is every page
// where it should be, and is the format one we know? bbolt itself trusts what it
// maps: a wild page number ends the process, a page both used and free is
// overwritten later. So the pages are read here first, from the file.
func verify(path string) error {
	options := boltOptions()
	options.ReadOnly = true
	db, err := bbolt.Open(path, 0, options)
	if err != nil {
		return unreadable(err)
	}
	err = checkPages(path)
	if err == nil {
		err = db.View(checkFormat)
	}
	return errors.Join(err, db.Close())
}

// unreadable tells a file that makes no sense to bbolt from one it could not get at.
func unreadable(err error) error {
	var path *fs.PathError
	var number syscall.Errno
	if errors.Is(err, berrors.ErrTimeout) || errors.As(err, &path) || errors.As(err, &number) {
		return err
	}
	return damagedf("%w", err)
}

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// checkFormat accepts our buckets in our version, and a file with nothing in it.
func checkFormat(tx *bbolt.Tx) error {
	if k, _ := tx.Cursor().First(); k == nil {
		return nil
	}
	meta := tx.Bucket(metaBucket)
	if meta == nil || tx.Bucket(slotBucket) == nil || tx.Bucket(historyBucket) == nil {
		return damagedf("it is not a rotatord journal")
	}
	version := meta.Get(versionKey)
	if len(version) != 4 {
		return damagedf("it names no format version")
	}
	switch v := binary.BigEndian.Uint32(version); {
	case v > formatVersion:
		return fmt.Errorf("%w: it is of format version %d, and this one reads up to %d", ErrNewer, v, formatVersion)
	case v < oldVersion:
		return damagedf("its format version is %d", v)
	}
	return nil
}

// The layout of bbolt's file, version 2, which is fixed.
const (
	pageHead    = 16 // number, flags, count, overflow
	elementSize = 16
	bucketHead  = 16 // root page, sequence

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketLeaf   = 0x01

	metaMagic      = 0xED0CDAED
	metaLayout     = 2
	metaSize       = 64
	metaChecked    = 56 // bytes covered by the checksum that follows them
	noFreelist     = ^uint64(0)
	countElsewhere = 0xFFFF
	smallestPage   = 1 << 10
	largestPage    = 1 << 24
)

// native is the byte order of bbolt's files.
var native = binary.NativeEndian

// head is what one of the two meta pages says.
type head struct {
	pageSize              int64
	root, freelist, pages uint64
	txid                  uint64
}

// pageFile is a file under inspection.
type pageFile struct {
	src  io.ReaderAt
	head head
	seen []bool // pages already accounted for
}

func checkPages(path string) error {
	f, err := os.Open(path) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return checkFile(f, info.Size())
}

func checkFile(src io.ReaderAt, size int64) error {
	h, err := readHead(src)
	if err != nil {
		return err
	}
	if have := uint64(size / h.pageSize); h.pages > have {
		return damagedf("the file is cut short: %d of %d pages are there", have, h.pages)
	}
	f := &pageFile{src: src, head: h, seen: make([]bool, h.pages)}
	if err := f.tree(h.root, bounds{}); err != nil {
		return err
	}
	return f.freelist()
}

// readHead finds the newer valid meta page. They lie at 0 and at the page size.
func readHead(src io.ReaderAt) (best head, err error) {
	offsets := []int64{0}
	for size := int64(smallestPage); size <= largestPage; size *= 2 {
		offsets = append(offsets, size)
	}
	for _, at := range offsets {
		page := make([]byte, pageHead+metaSize)
		if _, err := src.ReadAt(page, at); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return head{}, err
		}
		h, ok := parseHead(page[pageHead:])
		if ok && (at == 0 || at == h.pageSize) && h.txid >= best.txid {
			best = h
		}
	}
	if best.pageSize == 0 {
		return head{}, damagedf("neither of its two head pages is whole")
	}
	return best, nil
}

func parseHead(b []byte) (h head, ok bool) {
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaChecked])
	h = head{
		pageSize: int64(native.Uint32(b[8:])),
		root:     native.Uint64(b[16:]),
		freelist: native.Uint64(b[32:]),
		pages:    native.Uint64(b[40:]),
		txid:     native.Uint64(b[48:]),
	}
	ok = native.Uint32(b) == metaMagic && native.Uint32(b[4:]) == metaLayout &&
		native.Uint64(b[metaChecked:]) == sum.Sum64() && h.pageSize >= smallestPage
	return h, ok
}

// claim notes that page id is in use; each may be so once.
func (f *pageFile) claim(id uint64) error {
	switch {
	case id < 2 || id >= f.head.pages:
		return damagedf("page %d is referred to but does not exist", id)
	case f.seen[id]:
		return damagedf("page %d is referred to twice", id)
	}
	f.seen[id] = true
	return nil
}

// page reads one page with those that carry its overflow.
func (f *pageFile) page(id uint64) (flags uint16, count int, page []byte, err error) {
	if err := f.claim(id); err != nil {
		return 0, 0, nil, err
	}
	start := int64(id) * f.head.pageSize
	page = make([]byte, pageHead)
	if _, err := f.src.ReadAt(page, start); err != nil {
		return 0, 0, nil, err
	}
	if native.Uint64(page) != id {
		return 0, 0, nil, damagedf("page %d is not what it should be", id)
	}
	flags, count = native.Uint16(page[8:]), int(native.Uint16(page[10:]))
	overflow := uint64(native.Uint32(page[12:]))
	for i := range overflow {
		if err := f.claim(id + 1 + i); err != nil {
			return 0, 0, nil, err
		}
	}
	page = make([]byte, int64(overflow+1)*f.head.pageSize)
	_, err = f.src.ReadAt(page, start)
	return flags, count, page, err
}

// bounds are what the keys of a page keep to: from low on, below high; nil is no bound.
// A key outside them would never be found.
type bounds struct{ low, high []byte }

func (f *pageFile) tree(id uint64, keys bounds) error {
	flags, count, page, err := f.page(id)
	if err != nil {
		return err
	}
	switch flags {
	case branchPage:
		err = f.branch(page, count, keys)
	case leafPage:
		err = f.leaf(page, count, keys)
	default:
		err = damagedf("it is of an unknown kind")
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (f *pageFile) branch(page []byte, count int, within bounds) error {
	list := entriesOf(page, count, within)
	var child uint64
	low := within.low
	for i := range count {
		e, err := list.element(i)
		if err != nil {
			return err
		}
		key, err := list.key(i, native.Uint32(e), native.Uint32(e[4:]))
		if err != nil {
			return err
		}
		if i > 0 {
			if err := f.tree(child, bounds{low, key}); err != nil {
				return err
			}
		}
		child, low = native.Uint64(e[8:]), key
	}
	return f.tree(child, bounds{low, within.high})
}

func (f *pageFile) leaf(page []byte, count int, within bounds) error {
	list := entriesOf(page, count, within)
	for i := range count {
		e, err := list.element(i)
		if err != nil {
			return err
		}
		flags, pos, keySize, valueSize := native.Uint32(e), native.Uint32(e[4:]), native.Uint32(e[8:]), native.Uint32(e[12:])
		if _, err := list.key(i, pos, keySize); err != nil {
			return err
		}
		value, err := list.bytes(valueSize)
		if err != nil {
			return err
		}
		if flags&bucketLeaf != 0 {
			if err := f.bucket(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket follows a bucket to its root page, or into the value when it is kept there.
func (f *pageFile) bucket(value []byte) error {
	if len(value) < bucketHead {
		return damagedf("a bucket is cut short")
	}
	if root := native.Uint64(value); root != 0 {
		return f.tree(root, bounds{})
	}
	inline := value[bucketHead:]
	if len(inline) < pageHead || native.Uint16(inline[8:]) != leafPage {
		return damagedf("a bucket is cut short")
	}
	return f.leaf(inline, int(native.Uint16(inline[10:])), bounds{})
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

func (l *entries) element(i int) ([]byte, error) {
	start := pageHead + i*elementSize
	if start+elementSize > len(l.page) {
		return nil, damagedf("it has more entries than room")
	}
	return l.page[start : start+elementSize], nil
}

// key is the key of element i, from which pos counts.
func (l *entries) key(i int, pos, size uint32) ([]byte, error) {
	if pageHead+i*elementSize+int(pos) != l.next {
		return nil, damagedf("its entries do not adjoin")
	}
	key, err := l.bytes(size)
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

func (l *entries) bytes(size uint32) ([]byte, error) {
	end := l.next + int(size)
	if end > len(l.page) {
		return nil, damagedf("an entry reaches out of it")
	}
	b := l.page[l.next:end]
	l.next = end
	return b, nil
}

// freelist makes sure that no page in use counts as free.
func (f *pageFile) freelist() error {
	if f.head.freelist == noFreelist {
		return nil
	}
	flags, count, page, err := f.page(f.head.freelist)
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
		if err := f.claim(native.Uint64(ids[8*i:])); err != nil {
			return fmt.Errorf("list of free pages: %w", err)
		}
	}
	return nil
}
