package etcdjournal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// Whatever happens to its watch, and to etcd, a copy ends with what etcd holds.
func TestACopyEndsWithWhatEtcdHoldsWhateverHappens(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { newHardship(t, seed).endWell() })
	}
}

func newHardship(t *testing.T, seed uint64) *hardship {
	h := &hardship{world: newWorld(t, 1), t: t, draw: rand.New(rand.NewPCG(seed, 0)), putBack: func() {}}
	h.proxy = newProxy(t, strings.TrimPrefix(h.Members[0].Endpoint, "http://"))
	return h
}

// endWell has much happen, and wants the copy to hold what a list finds, at its revisions.
func (h *hardship) endWell() {
	t := h.t
	h.lead()
	c := h.followAt(t, []string{"http://" + h.proxy.address}, brief())
	for range 40 {
		h.step()
	}
	h.proxy.away.Store(false)
	want, err := versions(t, h.open(t, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the copy holds the same", func() bool { return maps.Equal(copied(c), want) })
	follows(t, c)
	next := h.open(t, Options{Copy: c})
	if next.loaded.Load() == nil {
		t.Error("the copy was not taken over")
	}
	expectVersions(t, next, want)
	for n := range want {
		mustSave(t, next, n, 1000)
	}
}

// hardship is what happens at random to an etcd, its leader, and the way to it.
type hardship struct {
	world
	t       *testing.T
	draw    *rand.Rand
	proxy   *proxy
	store   *Store
	version int
	putBack func() // of an older state of etcd
}

func (h *hardship) lead() {
	h.store = h.open(h.t, Options{})
	if _, err := versions(h.t, h.store); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hardship) step() {
	switch n := h.draw.IntN(20); {
	case n < 12:
		h.version++
		mustSave(h.t, h.store, h.draw.IntN(6), h.version)
	case n < 14:
		h.proxy.cut()
	case n < 16:
		h.proxy.away.Store(!h.proxy.away.Load())
	case n < 17:
		h.compact(h.t)
	case n < 18:
		h.remove(h.t, h.full(h.draw.IntN(6)))
		h.lead()
	case n < 19:
		h.goBack(func() { h.putBack = h.Members[0].Keep(h.t) })
	default:
		h.goBack(h.putBack)
		h.lead()
	}
}

// goBack does something to etcd while it does not run.
func (h *hardship) goBack(meanwhile func()) {
	h.Members[0].Kill()
	meanwhile()
	h.Members[0].Run(h.t)
	eventually(h.t, "etcd answers", func() bool {
		ctx, cancel := context.WithTimeout(h.t.Context(), time.Second)
		defer cancel()
		_, err := h.Client.Get(ctx, "any")
		return err == nil
	})
}

// A member that takes a connection and says nothing is not waited for.
func TestAWatchThatDoesNotBeginIsGivenUp(t *testing.T) {
	w := newWorld(t, 1)
	mustSave(t, w.open(t, Options{}), 1, 1)
	var once sync.Once
	c := w.follow(t, brief(), grpc.WithStreamInterceptor(func(
		ctx context.Context, d *grpc.StreamDesc, to *grpc.ClientConn, method string, open grpc.Streamer, o ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		var err error
		once.Do(func() {
			<-ctx.Done()
			err = errors.New("it never began")
		})
		if err != nil {
			return nil, err
		}
		return open(ctx, d, to, method, o...)
	}))
	follows(t, c)
	expectCopied(t, c, map[int]int{1: 1})
}
