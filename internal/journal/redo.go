package journal

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The log lies beside the database, all of it written once before it is used: to
// overwrite a part of it takes one sync and no room on the disk.
const (
	smallLog = 256 << 10 // at first
	largeLog = 4 << 20   // after bursts that filled it
	// block is where frames begin: a write that is torn never reaches a former frame.
	block = 4 << 10
)

// A frame is a checksum of all that follows it, a magic number, the length of its
// body, its sequence number, and the body. Sequence numbers only grow. Once the
// database holds what the frames say they are overwritten from the start, so that
// one with a smaller number than the frame before it is left over.
const (
	frameHead  = 20
	frameMagic = 0x6c6f6731 // "log1"
)

// frames are the log's. Only the writer uses them.
type frames struct {
	file logFile
	size int64
	at   int64  // where the next frame goes
	last uint64 // sequence number of the latest, which may have failed
	buf  []byte
}

// logFile is what of *os.File the log needs.
type logFile interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
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

// openLog opens the log, or makes it.
func openLog(path string) (frames, os.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = makeLog(path)
	case err == nil && !info.Mode().IsRegular():
		err = errNoFile
	}
	if err != nil {
		return frames{}, nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the operator names the folder
	if err != nil {
		return frames{}, nil, err
	}
	if info, err = claim(file); err != nil {
		return frames{}, nil, errors.Join(err, file.Close())
	}
	return frames{file: dataFile{file}, size: info.Size() / block * block}, info, nil
}

// claim locks the log: the database's lock is on that very file, and a copy put in its
// place has the same log.
func claim(file *os.File) (os.FileInfo, error) {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, os.NewSyscallError("flock", err)
	}
	info, err := file.Stat()
	if err == nil && info.Size() < smallLog {
		err = damagedf("it is cut short: %d of at least %d bytes are there", info.Size(), smallLog)
	}
	return info, err
}

// makeLog makes the log elsewhere and renames it, so that a crash leaves none or a
// whole one. Real zeros, no hole: a save must find its room on a disk that has filled up.
func makeLog(path string) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(make([]byte, smallLog))
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncFolder(dir)
}

// room tells whether a frame with so many bytes of changes fits behind the others.
func (f *frames) room(bytes int) bool { return f.at+frameHead+int64(bytes) <= f.size }

// grow doubles the log, up to largeLog. After an error it has the size it had.
func (f *frames) grow() error {
	more := min(f.size, largeLog-f.size)
	_, err := f.file.WriteAt(make([]byte, more), f.size)
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		return errors.Join(err, f.file.Truncate(f.size))
	}
	f.size += more
	return nil
}

// append makes a group of changes durable. After an error the next frame takes the
// same place, under a number of its own: what may have been kept is taken back.
func (f *frames) append(group []*save) error {
	f.last++
	f.buf = binary.BigEndian.AppendUint32(f.buf[:0], 0)
	f.buf = binary.BigEndian.AppendUint32(f.buf, frameMagic)
	f.buf = binary.BigEndian.AppendUint32(f.buf, uint32(sizeOf(group)))
	f.buf = binary.BigEndian.AppendUint64(f.buf, f.last)
	for _, s := range group {
		f.buf = append(f.buf, s.body...)
	}
	binary.BigEndian.PutUint32(f.buf, crc32.Checksum(f.buf[4:], castagnoli))
	if _, err := f.file.WriteAt(f.buf, f.at); err != nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	f.at += blocks(len(f.buf))
	if cap(f.buf) > smallLog {
		f.buf = nil // a burst is over one day
	}
	return nil
}

func blocks(n int) int64 { return (int64(n) + block - 1) / block * block }

func sizeOf(group []*save) (n int) {
	for _, s := range group {
		n += len(s.body)
	}
	return n
}

// rewind begins anew at the start: the database holds what all frames say.
func (f *frames) rewind() { f.at = 0 }

// replay gives the bodies of the frames that the database, which holds those up to
// sequence number held, lacks.
func (f *frames) replay(held uint64) (bodies [][]byte, err error) {
	for f.at < f.size {
		sequence, body, err := f.read(f.at)
		if err != nil {
			return nil, err
		}
		if body == nil || sequence <= f.last {
			break
		}
		f.last = sequence
		f.at += blocks(frameHead + len(body))
		if sequence > held {
			bodies = append(bodies, body)
		}
	}
	f.last = max(f.last, held)
	return bodies, f.nothingLeft()
}

// nothingLeft makes sure that the frame that cannot be read, if any, was the last: a
// crash tears that one only.
func (f *frames) nothingLeft() error {
	for at := f.at + block; at < f.size; at += block {
		sequence, body, err := f.read(at)
		if err != nil {
			return err
		}
		if body != nil && sequence > f.last {
			return damagedf("what lies before its frame %d cannot be read", sequence)
		}
	}
	return nil
}

// read gives the frame at a place; no body when there is none.
func (f *frames) read(at int64) (sequence uint64, body []byte, err error) {
	head := make([]byte, frameHead)
	if _, err := f.file.ReadAt(head, at); err != nil {
		return 0, nil, fmt.Errorf("at byte %d: %w", at, err)
	}
	size := int64(binary.BigEndian.Uint32(head[8:]))
	if binary.BigEndian.Uint32(head[4:]) != frameMagic || at+frameHead+size > f.size {
		return 0, nil, nil
	}
	body = make([]byte, size)
	if _, err := f.file.ReadAt(body, at+frameHead); err != nil {
		return 0, nil, fmt.Errorf("at byte %d: %w", at, err)
	}
	if binary.BigEndian.Uint32(head) != checksum(head[4:], body) {
		return 0, nil, nil
	}
	return binary.BigEndian.Uint64(head[12:]), body, nil
}
