package journal

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// The log lies beside the database, all of it written once when it is made: to
// overwrite a part of it takes one sync and no room on the disk. It has two halves, so
// that saves go into one while the other is folded into the database, and behind them
// the mark of the session that uses it.
const (
	logSize  = 1 << 20
	smallLog = 256 << 10 // where the disk has no room for more
	// block is where frames begin: a write that is torn never reaches a former frame.
	block = 4 << 10
)

// A frame is a checksum of all that follows it, a magic number, the length of its
// body, its number, that of the last frame before it that was kept, and the body.
// Numbers only grow: a frame whose number the database holds is left over.
const (
	frameHead  = 28
	frameMagic = 0x6c6f6731 // "log1"
)

// frames are the log's. Only who writes uses them.
type frames struct {
	file logFile
	size int64  // of a half
	end  int64  // of the file
	seed uint32 // of the checksums, which are the session's own
	half int64  // where the half begins that is written to
	at   int64  // where the next frame goes
	last uint64 // number of the latest frame, which may have failed
	kept uint64 // of the latest that did not
	buf  []byte
}

// logFile is what of *os.File the log needs.
type logFile interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
}

// logName is the log's file name: it belongs to one database, whatever else is
// put into the folder.
func logName(id []byte) string { return "state-" + hex.EncodeToString(id[:4]) + ".log" }

// dataFile syncs what was written and no more: the log's length is not changed by a save.
type dataFile struct{ *os.File }

// Sync implements logFile.
func (f dataFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// framesOf gives the frames of a log of a size.
func framesOf(file logFile, size int64) frames {
	end := size / block * block
	return frames{file: file, end: end, size: max(0, end-block) / 2 / block * block}
}

// openLog opens the log and locks it: the database's lock is on that very file, and a
// copy put in its place has the same log.
func (b *Bolt) openLog(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errNoFile
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	info, err = claim(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	b.log, b.logFile = framesOf(dataFile{file}, info.Size()), watchFile(path, file, info)
	return nil
}

func claim(file *os.File) (os.FileInfo, error) {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, os.NewSyscallError("flock", err)
	}
	return file.Stat()
}

// makeLog makes the log elsewhere and gives it its name, so that a crash leaves none
// or a whole one, and what is there is not replaced; what it leaves half made, the next
// start makes anew.
func (o Options) makeLog(path string) error {
	temp, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	if err := errors.Join(fillLog(temp), temp.Close()); err != nil {
		return err
	}
	return o.publish(temp.Name(), path)
}

// fillLog writes real zeros, no hole: a save must find its room on a disk that has filled up.
func fillLog(file *os.File) error {
	err := zero(file, logSize)
	if errors.Is(err, unix.ENOSPC) {
		err = errors.Join(file.Truncate(0), zero(file, smallLog))
	}
	return errors.Join(err, file.Sync())
}

// refillLog makes a log of the open file, which was cut short: nothing of it is needed.
func (b *Bolt) refillLog() error {
	if err := fillLog(b.logFile.file); err != nil {
		return err
	}
	info, err := b.logFile.file.Stat()
	if err != nil {
		return err
	}
	last := b.log.last
	b.log = framesOf(dataFile{b.logFile.file}, info.Size())
	b.log.last, b.log.kept = last, last
	b.logFile.least.Store(info.Size())
	return nil
}

func zero(file *os.File, size int) error {
	_, err := file.WriteAt(make([]byte, size), 0)
	return err
}

// maxBody is how many bytes of changes a frame can hold.
func (f *frames) maxBody() int { return int(f.size) - frameHead }

// room tells whether a frame with so many bytes of changes fits behind the others.
func (f *frames) room(bytes int) bool { return f.at+frameHead+int64(bytes) <= f.half+f.size }

// flip goes on in the other half, whose frames the database holds.
func (f *frames) flip() {
	f.half = f.size - f.half
	f.at = f.half
}

// append makes a group of changes durable. After an error the next frame takes the
// same place, under a number of its own: what may have been kept is taken back.
func (f *frames) append(group []*save) error {
	f.last++
	f.buf = binary.BigEndian.AppendUint32(f.buf[:0], 0)
	f.buf = binary.BigEndian.AppendUint32(f.buf, frameMagic)
	f.buf = binary.BigEndian.AppendUint32(f.buf, uint32(sizeOf(group)))
	f.buf = binary.BigEndian.AppendUint64(f.buf, f.last)
	f.buf = binary.BigEndian.AppendUint64(f.buf, f.kept)
	for _, s := range group {
		f.buf = append(f.buf, s.body...)
	}
	binary.BigEndian.PutUint32(f.buf, crc32.Update(f.seed, castagnoli, f.buf[4:]))
	if _, err := f.file.WriteAt(f.buf, f.at); err != nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	f.at += blocks(len(f.buf))
	f.kept = f.last
	return nil
}

func blocks(n int) int64 { return (int64(n) + block - 1) / block * block }

func sizeOf(group []*save) (n int) {
	for _, s := range group {
		n += len(s.body)
	}
	return n
}

// frame is one as it is read back.
type frame struct {
	number, before uint64
	body           []byte
}

// replay gives the bodies of the frames, in their order, that the database, which
// holds those up to number held, lacks.
func (f *frames) replay(held uint64) (bodies [][]byte, err error) {
	found, err := f.scan(held)
	if err != nil {
		return nil, err
	}
	f.last, f.kept = held, held
	if n := len(found); n > 0 {
		f.last, f.kept = found[n-1].number, found[n-1].number
	}
	need := f.last
	for _, fr := range slices.Backward(found) {
		switch {
		case fr.number > need: // its save failed, and was made again
			continue
		case fr.number < need:
			return nil, damagedf("its frame %d cannot be read", need)
		}
		bodies = append(bodies, fr.body)
		need = fr.before
	}
	if need > held {
		return nil, damagedf("its frame %d cannot be read", need)
	}
	slices.Reverse(bodies)
	return bodies, nil
}

// scan gives the frames with numbers above held, in order. A crash tears the one that
// is being written, which is then none.
func (f *frames) scan(held uint64) (found []frame, err error) {
	for at := int64(0); at < f.end; {
		fr, ok, err := f.read(at)
		if err != nil {
			return nil, err
		}
		if ok && fr.number > held {
			found = append(found, fr)
		}
		at += blocks(frameHead + len(fr.body))
	}
	slices.SortFunc(found, func(a, b frame) int { return cmp.Compare(a.number, b.number) })
	return found, nil
}

// read gives the frame at a place, if there is one.
func (f *frames) read(at int64) (fr frame, ok bool, err error) {
	head := make([]byte, frameHead)
	if _, err := f.file.ReadAt(head, at); err != nil {
		return frame{}, false, fmt.Errorf("at byte %d: %w", at, err)
	}
	size := int64(binary.BigEndian.Uint32(head[8:]))
	if binary.BigEndian.Uint32(head[4:]) != frameMagic || at+frameHead+size > f.end {
		return frame{}, false, nil
	}
	body := make([]byte, size)
	if _, err := f.file.ReadAt(body, at+frameHead); err != nil {
		return frame{}, false, fmt.Errorf("at byte %d: %w", at, err)
	}
	if binary.BigEndian.Uint32(head) != crc32.Update(crc32.Update(f.seed, castagnoli, head[4:]), castagnoli, body) {
		return frame{}, false, nil
	}
	return frame{binary.BigEndian.Uint64(head[12:]), binary.BigEndian.Uint64(head[20:]), body}, true, nil
}
