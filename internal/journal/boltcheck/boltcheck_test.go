package boltcheck

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/durable"
)

func slotKey(n int) []byte { return fmt.Appendf(nil, "%s/%032x/subscribe", strings.Repeat("a", 32), n) }

// sample is a file with some of everything in it: buckets inline and on pages, branches, an
// overflow, and free pages.
func sample(t testing.TB, o bbolt.Options) (image []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &o)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for n := range 10 {
		err = errors.Join(err, db.Update(func(tx *bbolt.Tx) error {
			meta, err1 := tx.CreateBucketIfNotExists([]byte("meta"))
			slots, err2 := tx.CreateBucketIfNotExists([]byte("slots"))
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			value := append([]byte{valueBegins}, make([]byte, 300+n*900)...)
			return errors.Join(meta.Put([]byte("version"), []byte{byte(n)}), slots.Put(slotKey(n), value))
		}))
	}
	err = errors.Join(err, db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	if image, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return image[:size]
}

// valueBegins is the first byte of every slot's value.
const valueBegins = 1

// inspected is a sound file, with which of its pages are in use.
func inspected(t *testing.T) (image []byte, f *pageFile) {
	t.Helper()
	image = sample(t, bbolt.Options{})
	h, err := readHead(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	f = &pageFile{src: bytes.NewReader(image), head: h, seen: make([]bool, h.pages)}
	if err := f.checkTree(h.root, bounds{}); err != nil {
		t.Fatal(err)
	}
	return image, f
}

func expectRefused(t *testing.T, what string, image []byte) {
	t.Helper()
	if err := checkPages(bytes.NewReader(image), int64(len(image))); !errors.Is(err, durable.ErrDamaged) {
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

// leftToChecksums reports whether bytes of a leaf say nothing of the tree: elements' flags,
// of which one bit is in use, and the sizes of the last key and value.
func leftToChecksums(at, count int) bool {
	field := (at - pageHead) % elementSize
	return at >= pageHead && (field < 4 || at >= pageHead+(count-1)*elementSize && field >= 8)
}

func TestKeysOutOfPlaceAreRefused(t *testing.T) {
	image, f := inspected(t)
	for n := range 10 {
		key := slotKey(n)
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

// keyAt finds a slot's key in a leaf in use: there the value follows it.
func keyAt(image []byte, f *pageFile, key []byte) int {
	entry := append(slices.Clone(key), valueBegins)
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

// bbolt may leave the list out, and finds the free pages itself with the next start.
func TestAFileWithoutAListOfFreePagesIsSound(t *testing.T) {
	for name, o := range map[string]bbolt.Options{"with": {}, "without": {NoFreelistSync: true}} {
		image := sample(t, o)
		if err := checkPages(bytes.NewReader(image), int64(len(image))); err != nil {
			t.Errorf("%s a list: %v", name, err)
		}
		if h, _ := readHead(bytes.NewReader(image)); (h.freelist == noFreelist) != (name == "without") {
			t.Errorf("%s a list: it is page %d", name, h.freelist)
		}
	}
}

func TestAFileThatIsCutShortIsRefused(t *testing.T) {
	image, path := sample(t, bbolt.Options{}), filepath.Join(t.TempDir(), "db")
	for _, size := range []int{len(image) - 1, len(image) / 2, 0} {
		if err := os.WriteFile(path, image[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := File(path); !errors.Is(err, durable.ErrDamaged) {
			t.Errorf("%d of %d bytes: %v", size, len(image), err)
		}
	}
	if err := errors.Join(os.WriteFile(path, image, 0o600), File(path)); err != nil {
		t.Error(err)
	}
}

// Whatever is taken for sound, bbolt goes through without a panic.
func FuzzCheck(f *testing.F) {
	f.Add(sample(f, bbolt.Options{}))
	f.Add(sample(f, bbolt.Options{NoFreelistSync: true}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, image []byte) {
		if checkPages(bytes.NewReader(image), int64(len(image))) != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "db")
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bbolt.Open(path, 0o600, nil) // looks for free pages, where none are listed
		if err == nil {
			err = errors.Join(db.Update(func(*bbolt.Tx) error { return nil }), db.Close())
		}
		if err != nil {
			t.Fatalf("bbolt refuses it: %v", err)
		}
	})
}
