package journal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// inspected is a sound file, with which of its pages are in use.
func inspected(t *testing.T) (image []byte, f *pageFile) {
	t.Helper()
	image, _ = sample(t)
	h, err := readHead(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	f = &pageFile{src: bytes.NewReader(image), head: h, seen: make([]bool, h.pages)}
	if err := f.tree(h.root, bounds{}); err != nil {
		t.Fatal(err)
	}
	return image, f
}

func expectRefused(t *testing.T, what string, image []byte) {
	t.Helper()
	if err := checkFile(bytes.NewReader(image), int64(len(image))); !errors.Is(err, ErrDamaged) {
		t.Errorf("%s: %v", what, err)
	}
}

// Every bit that holds the tree together counts.
func TestEveryChangeOfAPagesHeadAndElementsIsRefused(t *testing.T) {
	image, f := inspected(t)
	kinds := map[uint16]int{}
	for id := range f.head.pages {
		page := image[int64(id)*f.head.pageSize:]
		if !f.seen[id] || native.Uint64(page) != id { // the latter: what flows over from the page before
			continue
		}
		kind, count := native.Uint16(page[8:]), int(native.Uint16(page[10:]))
		kinds[kind]++
		for at := range pageHead + count*elementSize {
			if kind == leafPage && leftToChecksums(at, count) {
				continue
			}
			bad := slices.Clone(image)
			bad[int(id)*int(f.head.pageSize)+at] ^= 1 << (at % 8)
			expectRefused(t, fmt.Sprint("page ", id, ", byte ", at), bad)
		}
	}
	if kinds[leafPage] < 3 || kinds[branchPage] < 1 {
		t.Errorf("too simple a file: %v", kinds)
	}
}

// leftToChecksums tells the bytes of a leaf that say nothing of the tree: elements' flags,
// of which one bit is in use, and the sizes of the last key and value.
func leftToChecksums(at, count int) bool {
	field := (at - pageHead) % elementSize
	return at >= pageHead && (field < 4 || at >= pageHead+(count-1)*elementSize && field >= 8)
}

func TestKeysOutOfPlaceAreRefused(t *testing.T) {
	image, f := inspected(t)
	for n := range 10 {
		key := []byte(slotKey(n).String())
		at := keyAt(image, f, key)
		if at < 0 {
			t.Fatalf("key %d was not found", n)
		}
		for letter, sound := range map[byte]bool{'A': n == 0, 'b': n == 9} { // before, or after, all others
			bad := slices.Clone(image)
			bad[at] = letter
			if !sound {
				expectRefused(t, fmt.Sprintf("key %d begins with %c", n, letter), bad)
			}
		}
	}
}

// keyAt finds a slot's key in a leaf in use: there the envelope follows it.
func keyAt(image []byte, f *pageFile, key []byte) int {
	entry := append(slices.Clone(key), envelopeVersion)
	for at := 0; ; at++ {
		next := bytes.Index(image[at:], entry)
		if next < 0 {
			return -1
		}
		if at += next; f.seen[int64(at)/f.head.pageSize] {
			return at
		}
	}
}

func TestAFreePageThatIsInUseIsRefused(t *testing.T) {
	image, f := inspected(t)
	list := int64(f.head.freelist)*f.head.pageSize + pageHead
	if native.Uint16(image[list-6:]) == 0 {
		t.Fatal("no page is free: too simple a file")
	}
	for name, id := range map[string]uint64{"used": f.head.root, "a head page": 1, "outside": f.head.pages, "far outside": 1 << 62} {
		bad := slices.Clone(image)
		native.PutUint64(bad[list:], id)
		expectRefused(t, name, bad)
	}
}
