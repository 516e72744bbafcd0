package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/internal/durable"
)

// A batch in the middle of others that cannot be read is damage, and not the end.
func TestDamageBeforeTheLastBatchIsFound(t *testing.T) {
	w := newWorld(t)
	writes := w.record()
	w.append("one", "two", "three")
	image, batches := w.read(), (*writes)[1:] // the first is the mark
	w.kill()
	for n, b := range batches[:2] {
		for at := range len(b.data) {
			bad := slices.Clone(image)
			bad[b.off+int64(at)] ^= 1 << (at % 8)
			next := &world{T: t, path: t.TempDir() + "/log", store: w.store.copied()}
			next.write(bad)
			if err := next.tryOpen(next.options()); !errors.Is(err, durable.ErrDamaged) {
				t.Errorf("batch %d, byte %d: %v", n, at, err)
			}
			if next.store.state.Seq != w.store.state.Seq || !slices.Equal(next.read(), bad) {
				t.Fatal("what was refused was written to")
			}
		}
	}
}

// The last batch may have been torn by the crash: it is whole, or none.
func TestDamageOfTheLastBatchIsItsEnd(t *testing.T) {
	w := newWorld(t)
	writes := w.record()
	w.append("one", "two")
	image, last := w.read(), (*writes)[2]
	w.kill()
	for at := range len(last.data) {
		bad := slices.Clone(image)
		bad[last.off+int64(at)] ^= 1 << (at % 8)
		next := w.after(bad, w.store)
		next.expect("one")
		next.kill()
	}
}

func cutTo(size int64) func(string) error {
	return func(path string) error { return os.Truncate(path, size) }
}

func overwriteBy(image []byte) func(string) error {
	return func(path string) error { return os.WriteFile(path, image, 0o600) }
}

func replaceByFolder(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }

// After a crash a log that is not whole is missed; after an orderly end it is made anew.
func TestALogIsMissedAfterACrashAlone(t *testing.T) {
	earlier := newWorld(t)
	earlier.append("earlier")
	for name, harm := range map[string]struct {
		do   func(path string) error
		want error
	}{
		"missing":         {os.Remove, ErrMissing},
		"emptied":         {cutTo(0), durable.ErrDamaged},
		"cut short":       {cutTo(smallFile + 100), durable.ErrDamaged},
		"longer, in fact": {cutTo(fileSize + block), durable.ErrDamaged},
		"zeros":           {overwriteBy(make([]byte, fileSize)), durable.ErrDamaged},
		"another's":       {overwriteBy(earlier.read()), durable.ErrDamaged},
		"not a file":      {replaceByFolder, durable.ErrNotRegular},
	} {
		for _, orderly := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", orderly ", orderly), func(t *testing.T) {
				w := newWorld(t)
				w.append("one")
				w.checkpoint()
				w.append("two")
				if orderly {
					w.close()
				} else {
					w.kill()
				}
				if err := harm.do(w.path); err != nil {
					t.Fatal(err)
				}
				if orderly && name != "not a file" {
					w.open()
					w.append("three")
					w.restart()
					w.expect("one", "two", "three")
				} else if err := w.tryOpen(w.options()); !errors.Is(err, harm.want) {
					t.Errorf("err = %v, want %v", err, harm.want)
				}
			})
		}
	}
}

func TestALossThatIsAcceptedIsOfTheLogAlone(t *testing.T) {
	w := newWorld(t)
	w.append("one")
	w.checkpoint()
	w.append("lost")
	w.kill()
	if err := os.Remove(w.path); err != nil {
		t.Fatal(err)
	}
	o := w.options()
	o.AcceptLoss = true
	if err := w.tryOpen(o); err != nil {
		t.Fatal(err)
	}
	w.append("two")
	w.restart()
	w.expect("one", "two")
}

// The format before did not note sessions: what a log that is there holds is taken.
func TestTheLogOfAStoreThatKnewNoSessionsIsTaken(t *testing.T) {
	w := newWorld(t)
	w.close()
	image := make([]byte, fileSize)
	copy(image, encodeBatch(nil, 0, 1, 0, [][]byte{[]byte("one ")}))
	copy(image[block:], encodeBatch(nil, 0, 2, 1, [][]byte{[]byte("two ")}))
	w.write(image)
	o := w.options()
	o.Unmarked = true
	if err := w.tryOpen(o); err != nil {
		t.Fatal(err)
	}
	w.expect("one", "two")
	if err := errors.Join(w.log.Close(), os.Truncate(w.path, 100)); err != nil {
		t.Fatal(err)
	}
	if err := w.tryOpen(o); !errors.Is(err, durable.ErrDamaged) {
		t.Errorf("one that was cut short: %v", err)
	}
}

// A crash while the file is made leaves nothing behind once it is made.
func TestAFileThatIsHalfMadeIsMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.close()
	half, image := w.path+".new", bytes.Repeat([]byte("x"), 2*fileSize)
	if err := errors.Join(os.Remove(w.path), os.WriteFile(half, image, 0o600)); err != nil {
		t.Fatal(err)
	}
	w.open()
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half is still there: %v", err)
	}
	if info, err := os.Stat(w.path); err != nil || info.Size() != fileSize {
		t.Errorf("the log is %v long (%v)", info.Size(), err)
	}
}

// What another session left in the file is not taken for the present one's.
func TestBatchesOfAnotherSessionAreNotTaken(t *testing.T) {
	w := newWorld(t)
	old := w.store.copied()
	w.append("of-another", "of-another")
	w.close()
	w.store = old // an older copy was put back
	w.open()
	w.append("one")
	w.restart()
	w.expect("one")
}

func publishInPlace(temp, path string) error { return os.Rename(temp, path) }

// image is a log in memory, which is read.
type image struct{ *bytes.Reader }

func (image) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (image) Sync() error                        { return nil }

var _ io.ReaderAt = image{}

// Whatever is in the file, it is read without a panic, and what makes no sense is damage.
func FuzzReplay(f *testing.F) {
	s := segments{}
	s.useSession([]byte("session"))
	var sound []byte
	for n := range uint64(3) {
		sound = append(sound, make([]byte, inBlocks(len(sound))-int64(len(sound)))...)
		sound = encodeBatch(sound, s.seed, n+1, n, [][]byte{[]byte("entry ")})
	}
	f.Add(sound, uint64(0))
	f.Add(sound, uint64(2))
	f.Add(sound[block:], uint64(0))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, log []byte, checkpointSeq uint64) {
		whole := make([]byte, smallFile)
		copy(whole, log)
		s := segmentsOf(image{bytes.NewReader(whole)}, smallFile)
		s.useSession([]byte("session"))
		entries, err := s.replay(checkpointSeq)
		if err != nil && !errors.Is(err, durable.ErrDamaged) {
			t.Fatalf("not called damage: %v", err)
		}
		if s.lastSeq < checkpointSeq && err == nil || sizeOf(entries) > smallFile {
			t.Fatalf("%d bytes of entries, up to number %d", sizeOf(entries), s.lastSeq)
		}
	})
}
