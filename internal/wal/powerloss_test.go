package wal

import (
	"errors"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/internal/durable"
)

const sector = 512

// written is one write to the log's file.
type written struct {
	off  int64
	data []byte
}

// record has what is written to the file recorded from now on.
func (w *world) record() *[]written {
	var all []written
	w.onWrite(func(p []byte, off int64, write func() (int, error)) (int, error) {
		all = append(all, written{off, slices.Clone(p)})
		return write()
	})
	return &all
}

// torn are the images in which some sectors of one write arrived: every prefix, every
// sector alone, and all but one.
func torn(disk []byte, w written) (images [][]byte) {
	whole := with(disk, w)
	for cut := 0; cut < len(w.data); cut += sector {
		end := min(cut+sector, len(w.data))
		missing := slices.Clone(whole)
		copy(missing[w.off+int64(cut):], disk[w.off+int64(cut):w.off+int64(end)])
		images = append(images, missing,
			with(disk, written{w.off, w.data[:cut]}),
			with(disk, written{w.off + int64(cut), w.data[cut:end]}))
	}
	return images
}

func with(disk []byte, w written) []byte {
	disk = slices.Clone(disk)
	copy(disk[w.off:], w.data)
	return disk
}

// after is a log with this image, beside a copy of the store, as it is opened after a loss of power.
func (w *world) after(image []byte, store *memory) *world {
	w.Helper()
	next := &world{T: w.T, path: w.TempDir() + "/log", store: store.copied()}
	next.write(image)
	next.open()
	return next
}

// After a loss of power at any moment of an append the log has what was acknowledged before,
// and all of the batch under way or nothing.
func TestPowerLossDuringAnAppendLosesNothingAcknowledged(t *testing.T) {
	w := newWorld(t)
	w.append("zero")
	w.checkpoint()
	writes := w.record()
	held, before := []string{"zero"}, w.read()
	for n, size := range []int{10, 3000, 6000, 100, 9000, 10} {
		word := string(rune('a' + n))
		if err := w.log.Append(t.Context(), entryOf(word, size)); err != nil {
			t.Fatal(err)
		}
		now := append(slices.Clone(held), word)
		if len(*writes) != 1 {
			t.Fatalf("%d writes for one entry", len(*writes))
		}
		for _, image := range torn(before, (*writes)[0]) {
			next := w.after(image, w.store)
			if got := next.store.words; !slices.Equal(got, held) && !slices.Equal(got, now) {
				t.Fatalf("after power loss the store holds %q, want %q or %q", got, held, now)
			}
			next.kill()
		}
		held, before, *writes = now, w.read(), nil
		if n == 2 { // the rest goes into the other segment, and then over what is in this one
			w.checkpoint()
		}
		if n == 3 {
			w.checkpoint()
			before = w.read()
		}
	}
}

// The simulation has teeth: were a segment used again before the store holds what it says, it
// would show.
func TestPowerLossWouldShowASegmentThatIsUsedAgainTooEarly(t *testing.T) {
	w := newWorld(t)
	w.append("one")
	early := w.store.copied()
	for _, word := range []string{"two", "three"} {
		w.checkpoint()
		w.append(word)
	}
	next := &world{T: t, path: t.TempDir() + "/log", store: early}
	next.write(w.read())
	if err := next.tryOpen(next.options()); !errors.Is(err, durable.ErrDamaged) {
		t.Errorf("err = %v", err)
	}
}

// Until a checkpoint is in the store, the log has what it brings there.
func TestPowerLossBetweenACheckpointAndAppendsMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.append("one", "two")
	early := w.store.copied()
	w.checkpoint()
	w.append("three")
	next := w.after(w.read(), early) // the checkpoint was lost
	next.expect("one", "two", "three")
}

// A loss of power while a session begins needs nobody: the log is marked before the store says so.
func TestPowerLossWhileASessionBeginsNeedsNobody(t *testing.T) {
	w := newWorld(t)
	w.append("one")
	w.close()
	w.open()
	idle, before, writes := w.store.copied(), w.read(), w.record()
	if err := w.log.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(*writes) != 1 {
		t.Fatalf("%d writes to begin a session", len(*writes))
	}
	for _, image := range torn(before, (*writes)[0]) {
		next := w.after(image, idle)
		next.expect("one")
		next.kill()
	}
	for _, store := range []*memory{idle, w.store} {
		next := w.after(w.read(), store)
		next.expect("one")
		next.kill()
	}
	early := &world{T: t, path: t.TempDir() + "/log", store: w.store.copied()} // and not after
	early.write(before)
	if err := early.tryOpen(early.options()); !errors.Is(err, durable.ErrDamaged) {
		t.Errorf("a session that is noted too early: %v", err)
	}
}
