package boltfile

import "go.etcd.io/bbolt"

// batchSize is how many entries one transaction of a Writer takes.
const batchSize = 2048

// Writer writes many entries to a bucket, some at a time. Their memory must stay as it is until
// they are flushed.
type Writer struct {
	to     *File
	bucket []byte
	batch  [][2][]byte
}

// NewWriter returns a writer to a bucket, which must be there.
func NewWriter(to *File, bucket []byte) *Writer { return &Writer{to: to, bucket: bucket} }

// Put writes an entry, with this or a later transaction.
func (w *Writer) Put(key, value []byte) error {
	if w.batch = append(w.batch, [2][]byte{key, value}); len(w.batch) < batchSize {
		return nil
	}
	return w.Flush()
}

// Flush writes what is not written yet.
func (w *Writer) Flush() error {
	defer func() { w.batch = w.batch[:0] }()
	return w.to.Update(func(tx *bbolt.Tx) error {
		for _, e := range w.batch {
			if err := tx.Bucket(w.bucket).Put(e[0], e[1]); err != nil {
				return err
			}
		}
		return nil
	})
}
