// Package boltcheck verifies a file of bbolt's before bbolt maps it. bbolt trusts its pages: a
// wild page number ends the process, a page that is both used and free is overwritten later, and
// where no list of free pages was written it looks for them in a goroutine of its own, whose
// panic nobody catches. So the pages are read here first, from the file, as bbolt will go
// through them: is each where it should be, and nowhere else, and are its keys in order? What
// values hold is left to whoever knows.
//
// The file begins with two head pages, of which the newer whole one is in force: it names the root
// of a tree of pages, and the list of free ones. From the root each page is claimed once, with those
// that it flows over into, so that one referred to twice is found; the pages of the list are claimed
// after it. A page's keys lie within bounds that the page above sets, for one outside them would
// never be found. The layout is bbolt's of version 2, which is fixed.
package boltcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"github.com/rotatord/rotatord/internal/durable"
)

// File checks the file at path, under a lock of the caller's. Its error is durable.ErrDamaged,
// or why the file cannot be read.
func File(path string) error {
	f, err := os.Open(path) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := readThrough(f); err != nil {
		return err
	}
	return checkPages(f, info.Size())
}

// readThrough reads the file once in its order. The tree leads back and forth through it, which
// takes a disk far longer; what was read is then in memory, for bbolt, too.
func readThrough(f io.Reader) error {
	buffer := make([]byte, 1<<20)
	for {
		_, err := f.Read(buffer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// checkPages checks a file of a size.
func checkPages(src io.ReaderAt, size int64) error {
	h, err := readHead(src)
	if err != nil {
		return err
	}
	if have := uint64(size / h.pageSize); h.pages > have {
		return damagedf("the file is cut short: %d of %d pages are there", have, h.pages)
	}
	f := &pageFile{src: src, head: h, seen: make([]bool, h.pages)}
	if err := f.checkTree(h.root, bounds{}); err != nil {
		return err
	}
	return f.checkFreelist()
}

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", durable.ErrDamaged, fmt.Errorf(format, args...))
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

// claimPage notes that page id is in use; each may be so once.
func (f *pageFile) claimPage(id uint64) error {
	switch {
	case id < 2 || id >= f.head.pages:
		return damagedf("page %d is referred to but does not exist", id)
	case f.seen[id]:
		return damagedf("page %d is referred to twice", id)
	}
	f.seen[id] = true
	return nil
}

// readPage reads one page with those that carry its overflow.
func (f *pageFile) readPage(id uint64) (flags uint16, count int, page []byte, err error) {
	if err := f.claimPage(id); err != nil {
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
		if err := f.claimPage(id + 1 + i); err != nil {
			return 0, 0, nil, err
		}
	}
	page = make([]byte, int64(overflow+1)*f.head.pageSize)
	_, err = f.src.ReadAt(page, start)
	return flags, count, page, err
}
