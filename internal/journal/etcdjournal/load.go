package etcdjournal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// pageSize is how many keys are listed at a time.
const pageSize = 1000

// Load calls visit for every record, in the order of their keys, as all were at one revision; none before all were
// read. visit may save. Damaged records are left out and named in the error once the others have been visited; an
// error of visit's ends it at once.
func (s *Store) Load(ctx context.Context, visit func(*slot.Record) error) error {
	var pages [][]decoded
	revision, err := s.list(ctx, slotFolder, func(kvs []*mvccpb.KeyValue) { pages = append(pages, s.decodePage(kvs)) },
		func() { pages = nil })
	if err != nil {
		return s.faultOf(reading, err)
	}
	var damaged fault.Several
	for _, page := range pages {
		for i := range page {
			d := &page[i]
			if d.err != nil {
				damaged.Add(s.faultOf(reading, d.err))
				continue
			}
			s.revisions.learn(d.record.Key, d.revision)
			if err := visit(&d.record); err != nil {
				return err
			}
		}
	}
	s.revision.Store(revision)
	return damaged.Err()
}

// list calls page for all that lies in a folder, a page at a time, as it was at one revision, which it returns. Where
// that was compacted meanwhile it calls again, and begins anew.
func (s *Store) list(ctx context.Context, folder string, page func([]*mvccpb.KeyValue), again func()) (int64, error) {
	for {
		revision, err := s.listAt(ctx, folder, page)
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return revision, err
		}
		again()
	}
}

func (s *Store) listAt(ctx context.Context, folder string, page func([]*mvccpb.KeyValue)) (revision int64, err error) {
	end := clientv3.GetPrefixRangeEnd(s.full(folder))
	for from := s.full(folder); ; {
		answer, err := s.get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(s.pageSize()), clientv3.WithRev(revision))
		if err != nil {
			return 0, err
		}
		if revision == 0 {
			revision = answer.Header.Revision
		}
		if len(answer.Kvs) > 0 {
			page(answer.Kvs)
			from = string(answer.Kvs[len(answer.Kvs)-1].Key) + "\x00"
		}
		if !answer.More {
			return revision, nil
		}
	}
}

func (s *Store) pageSize() int64 {
	if s.options.page > 0 {
		return s.options.page
	}
	return pageSize
}

// get reads linearizably.
func (s *Store) get(ctx context.Context, key string, o ...clientv3.OpOption) (answer *clientv3.GetResponse, err error) {
	err = s.patiently(ctx, func(ctx context.Context) (err error) {
		answer, err = s.client.Get(ctx, key, o...)
		return err
	})
	return answer, err
}

type decoded struct {
	record   slot.Record
	revision int64
	err      error
}

// decodePage decodes on all processors: that is most of the work of a start.
func (s *Store) decodePage(kvs []*mvccpb.KeyValue) []decoded {
	out := make([]decoded, len(kvs))
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(kvs); i += workers {
				out[i].revision = kvs[i].ModRevision
				out[i].err = s.decodeRecord(kvs[i], &out[i].record)
			}
		})
	}
	wg.Wait()
	return out
}

func (s *Store) decodeRecord(kv *mvccpb.KeyValue, into *slot.Record) error {
	key := s.below(kv.Key)
	if err := s.decode(key, kv.Value, into); err != nil {
		return fmt.Errorf("key %q: %w", kv.Key, err)
	}
	if slotKey(into.Key) != key {
		return fmt.Errorf("key %q: %w: it says it is of slot %q", kv.Key, durable.ErrDamaged, into.Key)
	}
	return nil
}

func (s *Store) decode(key string, value []byte, into any) error {
	content, _, err := s.signer.open(key, value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%w: %w", durable.ErrDamaged, err)
	}
	return nil
}
