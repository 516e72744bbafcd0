package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/rotatord/rotatord/internal/durable"
)

const (
	fileSize  = 1 << 20
	smallFile = 256 << 10 // where the disk has no room for more
	block     = 4 << 10

	batchHead  = 28
	batchMagic = 0x6c6f6731 // "log1"

	sessionSize = 16
	markMagic   = "rotlog3\n"
)

// File is what a log needs of its file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes what was written durable; the file's length needs not be.
	Sync() error
}

// segments are a log's file as batches are written to it. One goroutine at a time uses them.
type segments struct {
	file         File
	size         int64  // of a segment
	end          int64  // of the file
	seed         uint32 // of the checksums, which are the session's own
	start        int64  // of the active segment
	next         int64  // where the next batch goes
	lastSeq      uint64 // of the latest batch, which may have failed
	committedSeq uint64 // of the latest that did not
	buf          []byte
}

// segmentsOf returns the segments of a file of a size.
func segmentsOf(file File, size int64) segments {
	end := size / block * block
	return segments{file: file, end: end, size: max(0, end-block) / 2 / block * block}
}

// continueFrom has sequence numbers go on from seq, which the store holds.
func (s *segments) continueFrom(seq uint64) { s.lastSeq, s.committedSeq = seq, seq }

// maxEntries returns how many bytes of entries a batch can hold.
func (s *segments) maxEntries() int { return int(s.size) - batchHead }

// hasRoom reports whether a batch with so many bytes of entries fits behind the others.
func (s *segments) hasRoom(bytes int) bool {
	return s.next+batchHead+int64(bytes) <= s.start+s.size
}

// switchSegment goes on in the other segment, whose batches the store holds.
func (s *segments) switchSegment() {
	s.start = s.size - s.start
	s.next = s.start
}

// writeBatch makes a batch durable. After an error the next takes the same place, under a number
// of its own: what may have been kept is taken back.
func (s *segments) writeBatch(entries [][]byte) error {
	s.lastSeq++
	s.buf = encodeBatch(s.buf[:0], s.seed, s.lastSeq, s.committedSeq, entries)
	if _, err := s.file.WriteAt(s.buf, s.next); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.next += inBlocks(len(s.buf))
	s.committedSeq = s.lastSeq
	return nil
}

// encodeBatch appends a batch as it is in the file.
func encodeBatch(out []byte, seed uint32, seq, previous uint64, entries [][]byte) []byte {
	out = binary.BigEndian.AppendUint32(out, 0)
	out = binary.BigEndian.AppendUint32(out, batchMagic)
	out = binary.BigEndian.AppendUint32(out, uint32(sizeOf(entries)))
	out = binary.BigEndian.AppendUint64(out, seq)
	out = binary.BigEndian.AppendUint64(out, previous)
	for _, e := range entries {
		out = append(out, e...)
	}
	binary.BigEndian.PutUint32(out, crc32.Update(seed, castagnoli(), out[4:]))
	return out
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func inBlocks(n int) int64 { return (int64(n) + block - 1) / block * block }

func sizeOf(entries [][]byte) (n int) {
	for _, e := range entries {
		n += len(e)
	}
	return n
}

// markAt is where the mark lies: in a block of its own, behind all batches.
func (s *segments) markAt() int64 { return s.end - block }

func markOf(session []byte) []byte { return append([]byte(markMagic), session...) }

// writeMark makes durable whose the log is.
func (s *segments) writeMark(session []byte) error {
	if _, err := s.file.WriteAt(markOf(session), s.markAt()); err != nil {
		return err
	}
	return s.file.Sync()
}

// expectMark refuses a log that is not the one of a session.
func (s *segments) expectMark(session []byte) error {
	mark := make([]byte, len(markMagic)+sessionSize)
	if _, err := s.file.ReadAt(mark, s.markAt()); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(mark, markOf(session)) {
		return damagedf("it is not the log that was in use when rotatord last ran, or was cut short since")
	}
	return nil
}

// useSession makes the checksums a session's own: what another left in the log is never taken
// for its batches.
func (s *segments) useSession(session []byte) { s.seed = crc32.Checksum(session, castagnoli()) }

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", durable.ErrDamaged, fmt.Errorf(format, args...))
}
