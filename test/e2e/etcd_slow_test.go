package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/test/harness"
)

// Etcd answers a second late, as with a disk that takes a second for a write. Rotations take longer, and that is all: no
// lease is lost, and nothing is begun twice.
func TestWithAnEtcdThatTakesASecondForAWriteRotationsGoOn(t *testing.T) {
	t.Parallel()
	const every = 15 * time.Second // a rotation is over long before the next instant
	w := newWorld(t, 1)
	etcd := etcdtest.Start(t, 1)
	w.shareEtcd(etcd)
	address := delayed(t, strings.TrimPrefix(etcd.Endpoints()[0], "http://"), time.Second)
	w.etcd = fmt.Sprintf("endpoints: [http://%s]", address) // and the lease that is usual
	w.configure(settings{
		Disk: ", shared: true", Defaults: `{schedule: "*/15 * * * * *", initial: schedule, sinks: [disk]}`,
		Relays: fmt.Sprintf("{live: {id: %s, tokens: {subscribe: {grace: 2s}, publish_subscribe: {strategy: in_place}}}}", harness.RelayID(0)),
	})
	d := w.startLeader()
	start := len(d.logs.String())
	for _, typ := range []string{"subscribe", "publish_subscribe"} {
		for range 2 {
			d.rotatesOn("live/" + typ)
		}
	}
	said := d.logs.String()[start:]
	for _, word := range []string{"leads no more", "cannot lead", `"level":"error"`, `"msg":"attempt failed"`} {
		if strings.Contains(said, word) {
			t.Errorf("it says %q", word)
		}
	}
	for _, op := range []cfsim.Op{cfsim.Create, cfsim.Rotate} {
		expectOneEach(t, w.sim.Calls(), op, every)
	}
}

// expectOneEach demands that no two calls of an operation are of one instant, which are so far apart.
func expectOneEach(t *testing.T, calls []cfsim.Call, of cfsim.Op, every time.Duration) {
	t.Helper()
	var times []time.Time
	for _, c := range calls {
		if c.Op == of {
			times = append(times, c.At)
		}
	}
	if len(times) < 2 {
		t.Fatalf("%s: %d calls", of, len(times))
	}
	for i := 1; i < len(times); i++ {
		if !times[i].Truncate(every).After(times[i-1].Truncate(every)) {
			t.Errorf("%s: two calls are of one instant: %v", of, times)
		}
	}
}

// delayed passes connections on to an address; what is answered there arrives so much later.
func delayed(t *testing.T, to string, by time.Duration) (address string) {
	t.Helper()
	l := harness.Must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() { passLate(t.Context(), near, far, by); _ = near.Close() }()
		}
	}()
	return l.Addr().String()
}

// passLate copies what is read, each part so much later.
func passLate(ctx context.Context, to io.Writer, from io.Reader, by time.Duration) {
	type part struct {
		due  time.Time
		text []byte
	}
	parts := make(chan part, 1000)
	go func() {
		defer close(parts)
		for {
			text := make([]byte, 32<<10)
			size, err := from.Read(text)
			if err != nil {
				return
			}
			parts <- part{time.Now().Add(by), text[:size]}
		}
	}()
	for p := range parts {
		harness.Pause(ctx, time.Until(p.due))
		_, _ = to.Write(p.text)
	}
}
