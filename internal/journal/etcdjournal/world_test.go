package etcdjournal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// world is a real etcd, and a place in it.
type world struct {
	*etcdtest.Cluster
	prefix string
	key    secret.Value
}

// newWorld starts an etcd for a test. Such tests run side by side: mostly they wait.
func newWorld(t testing.TB, members int, o ...etcdtest.Option) world {
	t.Helper()
	if test, ok := t.(*testing.T); ok {
		test.Parallel()
	}
	return world{etcdtest.Start(t, members, o...), "/rotatord", newKey(t)}
}

func newKey(t testing.TB) secret.Value {
	t.Helper()
	id, err := secret.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := KeysOf(id)
	if err != nil {
		t.Fatal(err)
	}
	return keys[0]
}

// at is another place in the same etcd.
func (w world) at(prefix string) world {
	w.prefix = prefix
	return w
}

// lead makes an election's key, as whoever wins an election does.
func (w world) lead(t testing.TB, by *clientv3.Client) Term {
	t.Helper()
	key := w.prefix + "/election/1"
	ctx := t.Context()
	if _, err := by.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	answer, err := by.Put(ctx, key, "us")
	if err != nil {
		t.Fatal(err)
	}
	return Term{key, answer.Header.Revision}
}

// open opens a store as the one that leads.
func (w world) open(t testing.TB, o Options, more ...grpc.DialOption) *Store {
	t.Helper()
	return w.openAt(t, w.Endpoints(), o, more...)
}

func (w world) openAt(t testing.TB, endpoints []string, o Options, more ...grpc.DialOption) *Store {
	t.Helper()
	client, err := dialWith(Access{Endpoints: endpoints}, more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	o.Term = w.lead(t, w.Client)
	s, err := w.tryOpen(t, client, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w world) tryOpen(t testing.TB, client *clientv3.Client, o Options) (*Store, error) {
	t.Helper()
	o.Prefix = w.prefix
	if o.Keys == nil {
		o.Keys = []secret.Value{w.key}
	}
	s, err := Open(t.Context(), client, o)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

// full is where a slot's record is.
func (w world) full(n int) string { return w.prefix + "/" + slotKey(journaltest.Key(n)) }

// raw is what etcd has at a key; nil: nothing.
func (w world) raw(t testing.TB, key string) []byte {
	t.Helper()
	answer, err := w.Client.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Kvs) == 0 {
		return nil
	}
	return answer.Kvs[0].Value
}

func (w world) put(t testing.TB, key string, value []byte) {
	t.Helper()
	if _, err := w.Client.Put(t.Context(), key, string(value)); err != nil {
		t.Fatal(err)
	}
}

func (w world) remove(t testing.TB, key string) {
	t.Helper()
	if _, err := w.Client.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

func mustSave(t testing.TB, s *Store, n, version int, events ...slot.Event) {
	t.Helper()
	if err := s.Save(t.Context(), journaltest.Record(n, version, 10), events...); err != nil {
		t.Fatal(err)
	}
}

func save(t testing.TB, s *Store, n, version int) error {
	t.Helper()
	return s.Save(t.Context(), journaltest.Record(n, version, 10))
}

// versions is what a store reads: each slot's version.
func versions(t testing.TB, s *Store) (map[int]int, error) {
	t.Helper()
	found := map[int]int{}
	err := s.Load(t.Context(), func(r *slot.Record) error {
		found[journaltest.NumberOf(r.Key)] = journaltest.VersionOf(r)
		return nil
	})
	return found, err
}

func expectVersions(t testing.TB, s *Store, want map[int]int) {
	t.Helper()
	got, err := versions(t, s)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("etcd holds %v (%v), want %v", got, err, want)
	}
}

func expectFault(t testing.TB, err error, class fault.Class, reason fault.Reason, words ...string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("%v is no fault", err)
	}
	if f.Class != class || f.Reason != reason {
		t.Errorf("%v is %s, %s; want %s, %s", err, f.Class, f.Reason, class, reason)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q lacks %q", err, word)
		}
	}
}

// between puts itself between a store's client and etcd: hook sees each call of a method, such as Txn, and makes it.
func between(method string, hook func(ctx context.Context, request any, call func(context.Context) error) error) grpc.DialOption {
	return grpc.WithChainUnaryInterceptor(func(
		ctx context.Context, called string, request, reply any, to *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption,
	) error {
		call := func(ctx context.Context) error { return invoke(ctx, called, request, reply, to, o...) }
		if strings.HasSuffix(called, "/"+method) {
			return hook(ctx, request, call)
		}
		return call(ctx)
	})
}

func TestEtcdIsAJournal(t *testing.T) {
	w := newWorld(t, 3)
	var mu sync.Mutex
	places := 0
	journaltest.Run(t, journaltest.Harness{
		New: func(t *testing.T) func() journaltest.Journal {
			mu.Lock()
			defer mu.Unlock()
			places++
			w := w.at(fmt.Sprint("/place", places))
			return func() journaltest.Journal { return w.open(t, Options{}) }
		},
		KeptEvents: keptEvents,
		TooLarge:   maxRecord,
	})
}

// TestMain has more tests run side by side than there are processors: mostly they wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
