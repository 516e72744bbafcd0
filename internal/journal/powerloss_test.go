package journal

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/internal/moq"
)

const sector = 512

// block is one write to the file.
type block struct {
	off  int64
	data []byte
}

// committed is what one commit wrote: the data pages, which are synced, and then the
// head page, which is synced too.
type committed struct {
	size int64 // of the file, once grown
	data []block
	head block
	want map[moq.Key]int // acknowledged afterwards
}

// film records the writes of every commit.
type film struct {
	t       *testing.T
	b       *Bolt
	start   []byte
	commits []committed
}

func record(t *testing.T) *film {
	t.Helper()
	dir := t.TempDir()
	f := &film{t: t, b: open(t, dir), start: read(t, dir)}
	onWrite(t, f.b, func(p []byte, off int64, write func() (int, error)) (int, error) {
		f.note(block{off, slices.Clone(p)})
		return write()
	})
	return f
}

func (f *film) note(w block) {
	c := &f.commits[len(f.commits)-1]
	if isHead(w.off) {
		c.head = w
		return
	}
	c.data = append(c.data, w)
}

// shoot makes one save and records its commit.
func (f *film) shoot(n, version, size int, want map[moq.Key]int) {
	f.t.Helper()
	f.commits = append(f.commits, committed{})
	mustSave(f.t, f.b, recordOf(n, version, size), eventOf(n, day, "saved"))
	info, err := os.Stat(f.b.path)
	if err != nil {
		f.t.Fatal(err)
	}
	c := &f.commits[len(f.commits)-1]
	c.size, c.want = info.Size(), maps.Clone(want)
	if len(c.data) == 0 || c.head.data == nil {
		f.t.Fatal("the writes of a commit were not seen")
	}
}

// After a loss of power at any moment the journal opens, by itself, with what was
// acknowledged; of the save under way it holds all or nothing.
func TestPowerLossNeverLosesAnAcknowledgedSave(t *testing.T) {
	f := record(t)
	want := map[moq.Key]int{}
	for version := range 16 {
		n := version % 5
		want[slotKey(n)] = version
		f.shoot(n, version, 50+version%7*900, want)
	}
	shut(t, f.b)
	dir := t.TempDir()
	disk, before := f.start, map[moq.Key]int{}
	for _, c := range f.commits {
		disk = grown(disk, c.size)
		for _, image := range lostData(disk, c.data) {
			expectImage(t, dir, image, before)
		}
		for _, w := range c.data {
			disk = with(disk, w)
		}
		for _, image := range tornHeads(disk, c.head) {
			expectImage(t, dir, image, before, c.want)
		}
		disk, before = with(disk, c.head), c.want
		expectImage(t, dir, disk, c.want)
	}
}

// The simulation has teeth: were a head page to reach the disk before the data, it
// would show.
func TestPowerLossWithoutTheSyncWouldShow(t *testing.T) {
	f := record(t)
	want := map[moq.Key]int{}
	for version := range 6 {
		want[slotKey(version)] = version
		f.shoot(version, version, 2000, want)
	}
	shut(t, f.b)
	dir := t.TempDir()
	disk, shown := f.start, 0
	for _, c := range f.commits {
		disk = grown(disk, c.size)
		for _, image := range lostData(disk, c.data)[:1] {
			write(t, dir, with(image, c.head))
			if b, err := Open(dir, Options{}); err != nil {
				shown++
			} else {
				shut(t, b)
			}
		}
		for _, w := range append(c.data, c.head) {
			disk = with(disk, w)
		}
	}
	if shown != len(f.commits) {
		t.Errorf("%d of %d broken orders of writing were noticed", shown, len(f.commits))
	}
}

// lostData are the images in which the data writes, not yet synced, arrived in part:
// every prefix, every one missing, every one alone, and each torn at a sector.
func lostData(disk []byte, data []block) (images [][]byte) {
	prefix := disk
	images = append(images, prefix)
	for i, w := range data {
		for cut := sector; cut < len(w.data); cut += 3 * sector {
			images = append(images, with(prefix, block{w.off, w.data[:cut]}))
		}
		prefix = with(prefix, w)
		missing := disk
		for j, other := range data {
			if j != i {
				missing = with(missing, other)
			}
		}
		images = append(images, prefix, missing, with(disk, w))
	}
	return images
}

// tornHeads are the images in which some sectors of the head page arrived: every
// prefix, and every sector alone.
func tornHeads(disk []byte, head block) (images [][]byte) {
	for cut := 0; cut < len(head.data); cut += sector {
		images = append(images,
			with(disk, block{head.off, head.data[:cut]}),
			with(disk, block{head.off + int64(cut), head.data[cut : cut+sector]}))
	}
	return images
}

func grown(disk []byte, size int64) []byte {
	return append(slices.Clone(disk), make([]byte, max(0, size-int64(len(disk))))...)
}

func with(disk []byte, w block) []byte {
	disk = slices.Clone(disk)
	copy(disk[w.off:], w.data)
	return disk
}

// expectImage opens the image and looks for one of the states in it.
func expectImage(t *testing.T, dir string, image []byte, states ...map[moq.Key]int) {
	t.Helper()
	write(t, dir, image)
	b := open(t, dir)
	got := state(t, b)
	if !slices.ContainsFunc(states, func(s map[moq.Key]int) bool { return maps.Equal(s, got) }) {
		t.Fatalf("after power loss the journal holds %v, want one of %v", got, states)
	}
	if events, err := b.History(t.Context(), nil, 0); err != nil || len(events) < len(got) {
		t.Fatalf("history: %d events, %v", len(events), err)
	}
	shut(t, b)
}
