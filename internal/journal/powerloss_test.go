package journal

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

const sector = 512

// written is one write to a file.
type written struct {
	off  int64
	data []byte
}

// disk is what a folder's two files hold.
type disk struct{ db, log []byte }

// film records what is written: to the log, and to the database.
type film struct {
	t   *testing.T
	dir string
	b   *Bolt
	log []written // since the last cut
	db  []written
}

func record(t *testing.T) *film {
	t.Helper()
	f := &film{t: t, dir: t.TempDir()}
	f.b = openSmall(t, f.dir)
	f.roll()
	return f
}

// roll has the film record what the journal writes.
func (f *film) roll() {
	onLog(f.b, func(p []byte, off int64, write func() (int, error)) (int, error) {
		f.log = append(f.log, written{off, slices.Clone(p)})
		return write()
	})
	onWrite(f.t, f.b, func(p []byte, off int64, write func() (int, error)) (int, error) {
		f.db = append(f.db, written{off, slices.Clone(p)})
		return write()
	})
}

// end ends the journal's session.
func (f *film) end() { shut(f.t, f.b) }

// begin begins another.
func (f *film) begin() {
	f.t.Helper()
	f.b = openUnused(f.t, f.dir, Options{})
	f.roll()
	if err := f.b.log.Begin(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// openSmall opens a new journal whose log is a small one.
func openSmall(t testing.TB, dir string) *Bolt {
	t.Helper()
	b := open(t, dir)
	log := b.logPath()
	shut(t, b)
	if err := os.Truncate(log, smallLog); err != nil {
		t.Fatal(err)
	}
	return open(t, dir)
}

// cut ends a scene: what the disk holds then, and the writes that led there.
func (f *film) cut() (d disk, log, db []written) {
	f.t.Helper()
	log, db = f.log, f.db
	f.log, f.db = nil, nil
	return disk{read(f.t, f.dir), f.readLog()}, log, db
}

func (f *film) readLog() []byte {
	f.t.Helper()
	b, err := os.ReadFile(f.b.logPath())
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

func (f *film) writeLog(dir string, image []byte) (path string) {
	f.t.Helper()
	path = filepath.Join(dir, f.b.db.meta.logName())
	if err := os.WriteFile(path, image, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// After a loss of power at any moment of a save the journal opens, by itself, with
// what was acknowledged before; it holds all of the save under way or nothing.
func TestPowerLossDuringASaveNeverLosesAnAcknowledgedOne(t *testing.T) {
	t.Parallel()
	f := record(t)
	before, _, _ := f.cut()
	held := map[moq.Key]int{}
	for version := range 16 {
		n := version % 5
		mustSave(t, f.b, recordOf(n, version, 50+version%7*900), eventOf(n, day, "saved"))
		want := maps.Clone(held)
		want[slotKey(n)] = version
		after, log, db := f.cut()
		if len(log) != 1 || len(db) != 0 {
			t.Fatalf("a save wrote %d times to the log and %d times to the database", len(log), len(db))
		}
		for _, image := range torn(before.log, log[0]) {
			f.expect(disk{before.db, image}, held, want)
		}
		f.expect(after, want)
		before, held = after, want
		if version == 7 { // the rest is written over what is in the log by now
			checkpoint(t, f.b)
			before, _, _ = f.cut()
		}
	}
}

// During a checkpoint the log still has everything.
func TestPowerLossDuringACheckpointLosesNothing(t *testing.T) {
	t.Parallel()
	f := record(t)
	want := map[moq.Key]int{}
	for round := range 4 {
		for n := range 5 {
			want[slotKey(n)] = round*5 + n
			mustSave(t, f.b, recordOf(n, round*5+n, 50+n*900), eventOf(n, day, "saved"))
		}
		before, _, _ := f.cut()
		checkpoint(t, f.b)
		after, _, db := f.cut()
		for _, image := range checkpointImages(grown(before.db, int64(len(after.db))), db) {
			f.expect(disk{image, before.log}, want)
		}
		f.expect(after, want)
	}
}

// checkpointImages are the images of a database that a checkpoint, cut short, may leave: its
// pages, which are synced, and then the head page in part.
func checkpointImages(before []byte, db []written) (images [][]byte) {
	pages, head := db[:len(db)-1], db[len(db)-1]
	images = lostWrites(before, pages)
	for _, w := range pages {
		before = with(before, w)
	}
	return append(images, torn(before, head)...)
}

// The simulation has teeth: were a segment of the log used again before the database holds
// what it says, it would show.
func TestPowerLossWouldShowASegmentThatIsUsedAgainTooEarly(t *testing.T) {
	f := record(t)
	mustSave(t, f.b, recordOf(1, 1, 100))
	before, _, _ := f.cut()
	for n := range 2 {
		checkpoint(t, f.b)
		mustSave(t, f.b, recordOf(2+n, 1, 100))
	}
	after, _, _ := f.cut()
	dir := t.TempDir()
	write(t, dir, before.db)
	path := f.writeLog(dir, after.log)
	_, err := Open(dir, Options{})
	expectFault(t, err, fault.Permanent, "damaged", path, "batch 1")
}

// While a checkpoint goes on, saves go into the other segment.
func TestPowerLossBetweenACheckpointAndSavesMeanwhile(t *testing.T) {
	f := record(t)
	want := map[moq.Key]int{}
	for n := range 3 {
		want[slotKey(n)] = 1
		mustSave(t, f.b, recordOf(n, 1, 100), eventOf(n, day, ""))
	}
	before, _, _ := f.cut()
	checkpoint(t, f.b)
	for n := range 3 {
		want[slotKey(n)] = 2
		mustSave(t, f.b, recordOf(n, 2, 100), eventOf(n, day, ""))
	}
	after, _, _ := f.cut()
	f.expect(disk{before.db, after.log}, want) // the checkpoint was lost
	f.expect(after, want)
}

// A batch in the middle of others that cannot be read is damage, and not the end.
func TestDamageInTheLogIsFound(t *testing.T) {
	f := record(t)
	for n := range 3 {
		mustSave(t, f.b, recordOf(n, 1, 100))
	}
	d, log, _ := f.cut()
	for _, at := range []int64{log[0].off, log[1].off, log[1].off + batchHead + 50} { // not of the last
		bad := slices.Clone(d.log)
		bad[at+5] ^= 1
		dir := t.TempDir()
		write(t, dir, d.db)
		path := f.writeLog(dir, bad)
		_, err := Open(dir, Options{})
		expectFault(t, err, fault.Permanent, "damaged", path, "restore")
	}
}

// lostWrites are the images in which writes that were not yet synced arrived in part: every
// prefix, every one missing, every one alone, and each torn at a sector.
func lostWrites(disk []byte, writes []written) (images [][]byte) {
	prefix := disk
	images = append(images, prefix)
	for i, w := range writes {
		for cut := sector; cut < len(w.data); cut += 3 * sector {
			images = append(images, with(prefix, written{w.off, w.data[:cut]}))
		}
		prefix = with(prefix, w)
		missing := disk
		for j, other := range writes {
			if j != i {
				missing = with(missing, other)
			}
		}
		images = append(images, prefix, missing, with(disk, w))
	}
	return images
}

// torn are the images in which some sectors of one write arrived: every prefix, every
// sector alone, and all but one.
func torn(disk []byte, w written) (images [][]byte) {
	whole := with(disk, w)
	disk = grown(disk, int64(len(whole)))
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

func grown(disk []byte, size int64) []byte {
	return append(slices.Clone(disk), make([]byte, max(0, size-int64(len(disk))))...)
}

func with(disk []byte, w written) []byte {
	disk = grown(disk, w.off+int64(len(w.data)))
	copy(disk[w.off:], w.data)
	return disk
}

// open gives what a journal with these files holds.
func (f *film) open(d disk) map[moq.Key]int {
	f.t.Helper()
	dir := f.t.TempDir()
	write(f.t, dir, d.db)
	f.writeLog(dir, d.log)
	b := open(f.t, dir)
	defer shut(f.t, b)
	got := state(f.t, b)
	if events, err := b.History(f.t.Context(), nil, 0); err != nil || len(events) < len(got) {
		f.t.Fatalf("history: %d events, %v", len(events), err)
	}
	return got
}

// expect looks for one of the states in what the disk holds.
func (f *film) expect(d disk, states ...map[moq.Key]int) {
	f.t.Helper()
	got := f.open(d)
	if !slices.ContainsFunc(states, func(s map[moq.Key]int) bool { return maps.Equal(s, got) }) {
		f.t.Fatalf("after power loss the journal holds %v, want one of %v", got, states)
	}
}
