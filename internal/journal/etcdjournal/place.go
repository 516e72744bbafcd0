package etcdjournal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/slot"
)

// place is what lies below a prefix in an etcd, as whoever has the keys reads it.
type place struct {
	client *clientv3.Client
	prefix string // ends with a slash
	signer signer
	limits limits

	failed  func(error)     // if set, is told of each call that will be repeated
	closing context.Context // over when it is closed
	close   context.CancelFunc
}

// limits are other ones than usual where they are not zero.
type limits struct {
	call     time.Duration // of one call
	patience time.Duration // of a save or a reading with all its calls
	rest     time.Duration // between two calls
	page     int64         // how many keys are listed at a time
}

func newPlace(client *clientv3.Client, prefix string, signer signer, l limits) *place {
	p := &place{client: client, prefix: strings.TrimSuffix(prefix, "/") + "/", signer: signer, limits: l}
	p.closing, p.close = context.WithCancel(context.Background())
	return p
}

// pageSize is how many keys are listed at a time.
const pageSize = 1000

// list calls page for all that lies in a span, a page at a time, as it was at one revision, which it returns. Where
// that was compacted meanwhile it calls again, and begins anew.
func (p *place) list(ctx context.Context, of span, page func([]*mvccpb.KeyValue), again func()) (int64, error) {
	for {
		revision, err := p.listAt(ctx, of, page)
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return revision, err
		}
		again()
	}
}

func (p *place) listAt(ctx context.Context, of span, page func([]*mvccpb.KeyValue)) (revision int64, err error) {
	for from := p.full(of.from); ; {
		answer, err := p.get(ctx, from, clientv3.WithRange(p.full(of.end)), clientv3.WithRev(revision),
			clientv3.WithLimit(cmp.Or(p.limits.page, pageSize)))
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

// get reads linearizably.
func (p *place) get(ctx context.Context, key string, o ...clientv3.OpOption) (answer *clientv3.GetResponse, err error) {
	err = p.patiently(ctx, func(ctx context.Context) (err error) {
		answer, err = p.client.Get(ctx, key, o...)
		return err
	})
	return answer, err
}

type decoded struct {
	record   slot.Record
	key      []byte // as etcd has it
	revision int64
	err      error
}

// decodePage decodes on all processors: that is most of the work of a start.
func (p *place) decodePage(kvs []*mvccpb.KeyValue) []decoded {
	out := make([]decoded, len(kvs))
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(kvs); i += workers {
				out[i].key, out[i].revision = kvs[i].Key, kvs[i].ModRevision
				out[i].err = p.decodeRecord(kvs[i], &out[i].record)
			}
		})
	}
	wg.Wait()
	return out
}

func (p *place) decodeRecord(kv *mvccpb.KeyValue, into *slot.Record) error {
	key := p.below(kv.Key)
	if err := p.decode(key, kv.Value, into); err != nil {
		return err
	}
	if slotKey(into.Key) != key {
		return fmt.Errorf("%w: it says it is of slot %q", durable.ErrDamaged, into.Key)
	}
	return nil
}

func (p *place) decode(key string, value []byte, into any) error {
	content, _, err := p.signer.open(key, value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%w: %w", durable.ErrDamaged, err)
	}
	return nil
}
