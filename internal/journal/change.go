package journal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"
)

// change sets a key of a bucket to a value. In the log it is the first letter of the
// bucket's name, then key and value, each after its length.
type change struct{ bucket, key, value []byte }

// appendChange appends one change, whose value is the content in its envelope.
func appendChange(body, bucket, key, content []byte) []byte {
	body = append(body, bucket[0])
	body = binary.AppendUvarint(body, uint64(len(key)))
	body = append(body, key...)
	body = binary.AppendUvarint(body, uint64(envelopeHead+len(content)))
	return appendEnvelope(body, key, content)
}

// changesOf reads entries of the log back; what it returns shares their memory.
func changesOf(entries [][]byte) (changes []change, err error) {
	for _, body := range entries {
		for len(body) > 0 {
			var c change
			if c, body, err = firstChange(body); err != nil {
				return nil, err
			}
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func firstChange(body []byte) (c change, rest []byte, err error) {
	if c.bucket, err = bucketOf(body[0]); err != nil {
		return change{}, nil, err
	}
	rest = body[1:]
	for _, part := range []*[]byte{&c.key, &c.value} {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return change{}, nil, damagedf("a change is cut short")
		}
		*part, rest = rest[n:n+int(size)], rest[n+int(size):]
	}
	return c, rest, nil
}

func bucketOf(letter byte) ([]byte, error) {
	for _, name := range buckets() {
		if name[0] == letter {
			return name, nil
		}
	}
	return nil, damagedf("a change of an unknown kind %q", letter)
}

// latestOfEach returns, of changes in the order they were made, the last of each key, in
// the order of the keys, which is quickest for the database.
func latestOfEach(changes []change) []change {
	slices.SortStableFunc(changes, func(a, b change) int {
		return cmp.Or(bytes.Compare(a.bucket, b.bucket), bytes.Compare(a.key, b.key))
	})
	last := changes[:0]
	for i, c := range changes {
		if i+1 < len(changes) && bytes.Equal(c.bucket, changes[i+1].bucket) && bytes.Equal(c.key, changes[i+1].key) {
			continue
		}
		last = append(last, c)
	}
	return last
}

// applyChanges makes the changes, and drops the events that a slot's history has no room for.
func applyChanges(tx *bbolt.Tx, changes []change) error {
	var prefix []byte
	for _, c := range changes {
		if err := tx.Bucket(c.bucket).Put(c.key, c.value); err != nil {
			return err
		}
		if bytes.Equal(c.bucket, historyBucket) && !bytes.Equal(prefix, slotPartOf(c.key)) {
			if err := dropOldEvents(tx, prefix); err != nil {
				return err
			}
			prefix = slotPartOf(c.key)
		}
	}
	return dropOldEvents(tx, prefix)
}
