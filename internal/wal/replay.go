package wal

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// batch is one as it is read back.
type batch struct {
	seq, previous uint64
	entries       []byte
}

// replay returns the entries of the batches, in their order, that the store, which holds
// those up to checkpointSeq, lacks.
func (s *segments) replay(checkpointSeq uint64) (entries [][]byte, err error) {
	found, err := s.readBatches(checkpointSeq)
	if err != nil {
		return nil, err
	}
	s.continueFrom(checkpointSeq)
	if n := len(found); n > 0 {
		s.continueFrom(found[n-1].seq)
	}
	want := s.lastSeq
	for _, b := range slices.Backward(found) {
		switch {
		case b.seq > want: // its entries failed, and were appended again
			continue
		case b.seq < want:
			return nil, damagedf("its batch %d cannot be read", want)
		}
		entries = append(entries, b.entries)
		want = b.previous
	}
	if want > checkpointSeq {
		return nil, damagedf("its batch %d cannot be read", want)
	}
	slices.Reverse(entries)
	return entries, nil
}

// readBatches returns the batches with numbers above checkpointSeq, in order. A crash tears the one
// that is being written, which is then none.
func (s *segments) readBatches(checkpointSeq uint64) (found []batch, err error) {
	for at := int64(0); at < s.end; {
		b, ok, err := s.readBatch(at)
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", at, err)
		}
		if ok && b.seq > checkpointSeq {
			found = append(found, b)
		}
		at += inBlocks(batchHead + len(b.entries))
	}
	slices.SortFunc(found, func(a, b batch) int { return cmp.Compare(a.seq, b.seq) })
	return found, nil
}

// readBatch returns the batch at a place, if there is one.
func (s *segments) readBatch(at int64) (b batch, ok bool, err error) {
	head := make([]byte, batchHead)
	if _, err := s.file.ReadAt(head, at); err != nil {
		return batch{}, false, err
	}
	size := int64(binary.BigEndian.Uint32(head[8:]))
	if binary.BigEndian.Uint32(head[4:]) != batchMagic || at+batchHead+size > s.end {
		return batch{}, false, nil
	}
	entries := make([]byte, size)
	if _, err := s.file.ReadAt(entries, at+batchHead); err != nil {
		return batch{}, false, err
	}
	if binary.BigEndian.Uint32(head) != crc32.Update(crc32.Update(s.seed, castagnoli(), head[4:]), castagnoli(), entries) {
		return batch{}, false, nil
	}
	return batch{binary.BigEndian.Uint64(head[12:]), binary.BigEndian.Uint64(head[20:]), entries}, true, nil
}
