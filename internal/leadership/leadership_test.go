package leadership

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
)

func TestALeaderMayTellSomethingElseOfItself(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	term := mustLead(t, candidate(t, cluster, "before"))
	if err := term.Proclaim(t.Context(), Card{Replica: "after", Config: "digest"}); err != nil {
		t.Fatal(err)
	}
	found, err := Cards(t.Context(), cluster.Client, "/rotatord/election")
	if err != nil || len(found) != 1 || found[0].Replica != "after" || found[0].Config != "digest" {
		t.Errorf("it tells %+v, %v", found, err)
	}
	term.provedAt.Store(0) // ask
	if err := term.Prove(t.Context()); err != nil {
		t.Errorf("its term does not go on: %v", err)
	}
}

func TestACampaignThatIsGivenUpLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	mustLead(t, candidate(t, cluster, "leader"))
	ctx, cancel := context.WithCancel(t.Context())
	next := campaign(ctx, t, candidate(t, cluster, "next"), cluster, 2)
	cancel()
	if o := await(t, next); !errors.Is(o.err, context.Canceled) {
		t.Errorf("it ended with %v", o.err)
	}
	if all := cards(t, cluster); !slices.Equal(all, []string{"leader"}) {
		t.Errorf("candidates %q", all)
	}
	if leases, err := cluster.Client.Leases(t.Context()); err != nil || len(leases.Leases) != 1 {
		t.Errorf("leases %v, %v", leases, err)
	}
}

func byAge() []clientv3.OpOption {
	return []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend)}
}

func TestTheNextReplicaLeadsOnceTheLeaderResigns(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	long := candidate(t, cluster, "first")
	long.Length = time.Hour // nobody waits for its end
	first := mustLead(t, long)
	next := campaign(t.Context(), t, candidate(t, cluster, "second"), cluster, 2)
	if all := cards(t, cluster); !slices.Equal(all, []string{"first", "second"}) {
		t.Errorf("candidates %q", all)
	}
	if err := first.MayAct(); err != nil {
		t.Errorf("the leader may not act: %v", err)
	}
	if err := first.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.MayAct(); !errors.Is(err, ErrOver) {
		t.Errorf("after it resigned: %v", err)
	}
	second := await(t, next)
	if second.err != nil || second.term.MayAct() != nil {
		t.Fatalf("the second: %v", second.err)
	}
	if _, revision := first.Fence(); revision >= must(second.term.Fence()) {
		t.Errorf("the fences %d and %d do not rise", revision, must(second.term.Fence()))
	}
}

func must(_ string, revision int64) int64 { return revision }

func TestALeaderThatIsGoneIsReplacedWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	gone := candidate(t, cluster, "gone")
	term := mustLead(t, gone)
	next := campaign(t.Context(), t, candidate(t, cluster, "next"), cluster, 2)
	_ = gone.Client.Close()
	if o := await(t, next); o.err != nil {
		t.Fatal(o.err)
	}
	<-term.Over()
}

func TestNobodyActsByALeaseThatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	c, clock := candidate(t, cluster, "leader"), newClock()
	c.Elapsed = clock.elapsed
	term := mustLead(t, c)
	clock.move(time.Hour) // as after a standstill: no answer of before counts
	if err := term.MayAct(); !errors.Is(err, errUnconfirmed) {
		t.Errorf("after an hour: %v", err)
	}
	eventually(t, "etcd confirms it anew", func() bool { return term.MayAct() == nil })
}

// The client takes the answer for news, however long it lay in a buffer.
func TestAnAnswerConfirmsFromBeforeItsQuestion(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	now := newClock()
	l, err := grantLease(t.Context(), slowlyAnswered(t, cluster, func() { now.move(2 * time.Hour) }), time.Hour, now.elapsed)
	if err != nil {
		t.Fatal(err)
	}
	now.move(2 * time.Hour)
	if err := l.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.isConfirmed() {
		t.Error("an answer of two hours ago confirms an hour's lease")
	}
}

// slowlyAnswered returns a client that meets what is given before each answer about a lease.
func slowlyAnswered(t *testing.T, cluster *etcdtest.Cluster, meet func()) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: cluster.Endpoints(), Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithStreamInterceptor(
			func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, o ...grpc.CallOption,
			) (grpc.ClientStream, error) {
				stream, err := open(ctx, d, cc, method, o...)
				return slowStream{stream, meet}, err
			})},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

type slowStream struct {
	grpc.ClientStream
	meet func()
}

func (s slowStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	s.meet()
	return err
}

func TestALeaseIsNotUsedToItsEnd(t *testing.T) {
	for granted, want := range map[int64]time.Duration{60: 58 * time.Second, 6: 4 * time.Second, 3: 2 * time.Second} {
		l := &lease{}
		l.confirm(time.Minute, granted)
		if got := time.Duration(l.confirmedUntil.Load()) - time.Minute; got != want {
			t.Errorf("of %d s, %s are used, not %s", granted, got, want)
		}
	}
}

func TestATermIsOverOnceItsKeyIsGoneOrAnothers(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(key string) []clientv3.Op{
		"gone":      func(string) []clientv3.Op { return nil },
		"another's": func(key string) []clientv3.Op { return []clientv3.Op{clientv3.OpPut(key, "made anew")} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := etcdtest.Start(t, 1)
			c, clock := candidate(t, cluster, "leader"), newClock()
			c.Elapsed = clock.elapsed
			term := mustLead(t, c)
			key, _ := term.Fence()
			for _, op := range append([]clientv3.Op{clientv3.OpDelete(key)}, after(key)...) {
				if _, err := cluster.Client.Do(t.Context(), op); err != nil {
					t.Fatal(err)
				}
			}
			if err := term.Prove(t.Context()); err != nil {
				t.Errorf("a proof of less than a second ago is not good: %v", err)
			}
			clock.move(proofHolds)
			if err := term.Prove(t.Context()); !errors.Is(err, ErrOver) || !errors.Is(term.MayAct(), ErrOver) {
				t.Errorf("Prove: %v, MayAct: %v", err, term.MayAct())
			}
			<-term.Over()
		})
	}
}

func TestACandidateWhoseLeaseEndedIsNotElected(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	leader := mustLead(t, candidate(t, cluster, "leader"))
	next := campaign(t.Context(), t, candidate(t, cluster, "next"), cluster, 2)
	found, err := cluster.Client.Get(t.Context(), "/rotatord/election/", byAge()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Client.Revoke(t.Context(), clientv3.LeaseID(found.Kvs[1].Lease)); err != nil {
		t.Fatal(err)
	}
	if o := await(t, next); o.err == nil {
		t.Error("it was elected")
	}
	if err := leader.MayAct(); err != nil {
		t.Errorf("the leader: %v", err)
	}
}

func TestACampaignEndsWithItsContextThoughEtcdIsAway(t *testing.T) {
	t.Parallel()
	for name, goAway := range map[string]func(*etcdtest.Member){
		"frozen": func(m *etcdtest.Member) { m.Freeze(t) },
		"dead":   (*etcdtest.Member).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := etcdtest.Start(t, 1)
			mustLead(t, candidate(t, cluster, "leader"))
			ctx, cancel := context.WithCancel(t.Context())
			next := campaign(ctx, t, candidate(t, cluster, "next"), cluster, 2)
			goAway(cluster.Members[0])
			cancel()
			if o := await(t, next); !errors.Is(o.err, context.Canceled) {
				t.Errorf("it ended with %v", o.err)
			}
		})
	}
}

func TestNobodyWaitsForAnEtcdThatIsSilent(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	c, clock := candidate(t, cluster, "leader"), newClock()
	c.Elapsed = clock.elapsed
	term := mustLead(t, c)
	clock.move(proofHolds) // it has to ask
	cluster.Members[0].Freeze(t)
	calls := map[string]func() error{
		"Prove":    func() error { return term.Prove(t.Context()) },
		"Proclaim": func() error { return term.Proclaim(t.Context(), Card{Replica: "leader"}) },
		"Campaign": func() error { _, err := c.Campaign(t.Context()); return err },
		"Cards":    func() error { _, err := Cards(t.Context(), cluster.Client, c.Prefix); return err },
	}
	var group sync.WaitGroup
	for name, call := range calls {
		group.Go(func() {
			if err := call(); err == nil {
				t.Errorf("%s succeeds", name)
			}
		})
	}
	group.Wait()
}

func TestWithoutEtcdALeaderStopsBeforeItsLeaseEnds(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	term := mustLead(t, candidate(t, cluster, "leader"))
	cluster.Members[0].Kill()
	eventually(t, "it may not act", func() bool { return term.MayAct() != nil })
	if err := term.MayAct(); !errors.Is(err, errUnconfirmed) || err.Error() == errUnconfirmed.Error() {
		t.Errorf("it does not say why: %v", err)
	}
	if err := term.Err(); err != nil {
		t.Errorf("its term is over before its lease: %v", err)
	}
	<-term.Over()
}

// A card of another version, or what somebody else put there: its replica is there, and may lead.
func TestACardThatCannotBeReadIsNamedByItsKeyAndOneWithMoreIsRead(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	for key, card := range map[string]string{"1": "rubbish", "2": `{"replica":"newer","config":"abc","more":{"than":"is known"}}`} {
		if _, err := cluster.Client.Put(t.Context(), "/rotatord/election/"+key, card); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Cards(t.Context(), cluster.Client, "/rotatord/election")
	if err != nil || len(found) != 2 {
		t.Fatalf("found %+v, %v", found, err)
	}
	slices.SortFunc(found, func(a, b Card) int { return strings.Compare(a.Config, b.Config) })
	if !strings.Contains(found[0].Replica, "/rotatord/election/1") || found[1].Replica != "newer" || found[1].Config != "abc" {
		t.Errorf("found %+v", found)
	}
}

// With answers that come too late to act by, the client's session would keep the lease, and others from leading.
func TestATermEndsThatIsNotConfirmedForLongerThanItsLease(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	unanswered, err := clientv3.New(clientv3.Config{
		Endpoints: cluster.Endpoints(), Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithStreamInterceptor(
			func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ grpc.Streamer, _ ...grpc.CallOption) (grpc.ClientStream, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unanswered.Close() })
	var now atomic.Int64
	l := &lease{client: unanswered, length: length, elapsed: func() time.Duration { return time.Duration(now.Load()) }}
	l.confirm(0, int64(length/time.Second))
	now.Store(l.confirmedUntil.Load() + int64(length))
	if l.isConfirmed() || l.isLost() {
		t.Errorf("after as long as it lasts it is confirmed: %t, lost: %t", l.isConfirmed(), l.isLost())
	}
	lost := make(chan error, 1)
	go func() { lost <- l.keep(t.Context()) }()
	now.Add(1)
	select {
	case err := <-lost:
		if err == nil || errors.Is(err, rpctypes.ErrLeaseNotFound) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("it is renewed on")
	}
}

// To etcd a login is a password's hash, and a write that all members sync.
func TestALeaseIsRenewedWithoutALoginEachTime(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	askForNames(t, cluster.Client)
	var logins atomic.Int32
	client, err := clientv3.New(clientv3.Config{
		Endpoints: cluster.Endpoints(), Logger: zap.NewNop(), Username: "root", Password: "root",
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, request, reply any, to *grpc.ClientConn, call grpc.UnaryInvoker, o ...grpc.CallOption) error {
				if strings.HasSuffix(method, "/Authenticate") {
					logins.Add(1)
				}
				return call(ctx, method, request, reply, to, o...)
			})},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	l, err := grantLease(t.Context(), client, time.Hour, newClock().elapsed)
	if err != nil {
		t.Fatal(err)
	}
	before := logins.Load()
	for range 4 {
		if err := l.renew(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := logins.Load() - before; n != 1 { // of the stream
		t.Errorf("%d logins", n)
	}
}

// askForNames has etcd ask who it is.
func askForNames(t *testing.T, c *clientv3.Client) {
	t.Helper()
	ctx := t.Context()
	_, roleErr := c.RoleAdd(ctx, "root")
	_, userErr := c.UserAdd(ctx, "root", "root")
	_, grantErr := c.UserGrantRole(ctx, "root", "root")
	_, enableErr := c.AuthEnable(ctx)
	if err := errors.Join(roleErr, userErr, grantErr, enableErr); err != nil {
		t.Fatal(err)
	}
}
