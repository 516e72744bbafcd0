package etcdjournal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

func TestWhatErrorsMean(t *testing.T) {
	cases := []struct {
		happened string
		err      error
	}{
		{"the store was closed", errClosed},
		{"the election's key is gone", ErrNotLeader},
		{"a record differs", fmt.Errorf("%w: the record of slot a/b/subscribe is gone", ErrRestored)},
		{"another identity", fmt.Errorf("%w: it was sealed for age1x, and this identity_file opens for age1y", ErrOtherIdentity)},
		{"a copy is still being read", ErrNotRead},
		{"a copy lost etcd", errLost},
		{"a copy is old", fmt.Errorf("%w: it is of 12s ago", errBehind)},
		{"a newer format", fmt.Errorf("%w: it is of format version 2, and this one reads up to 1", durable.ErrNewer)},
		{"a wrong signature", fmt.Errorf("key %q: %w", "/rotatord/slots/a/b/subscribe", errForeign)},
		{"no envelope", fmt.Errorf("key %q: %w: 3 bytes are too few", "/rotatord/slots/a/b/subscribe", durable.ErrDamaged)},
		{"records are to be restored", errNoRestore},
		{"etcd is full", rpctypes.ErrNoSpace},
		{"etcd is nearly full", fmt.Errorf("%w: 1300 of 2048 MiB are used", errTight)},
		{"nobody compacts etcd", errUncompacted},
		{"a member is corrupt", rpctypes.ErrCorrupt},
		{"a permission is missing", rpctypes.ErrPermissionDenied},
		{"nobody is logged in", rpctypes.ErrUserEmpty},
		{"a wrong password", rpctypes.ErrAuthFailed},
		{"a login has run out", rpctypes.ErrInvalidAuthToken},
		{"a request is too large", rpctypes.ErrRequestTooLarge},
		{"an unknown authority", noConnection(`latest balancer error: connection error: desc = "transport: authentication handshake failed: ` +
			`tls: failed to verify certificate: x509: certificate signed by unknown authority"`)},
		{"etcd's certificate has expired", noConnection(`latest balancer error: connection error: desc = "transport: authentication handshake failed: ` +
			`tls: failed to verify certificate: x509: certificate has expired or is not yet valid: ` +
			`current time 2026-11-01T12:00:00Z is after 2026-11-01T00:00:00Z"`)},
		{"our certificate has expired", noConnection(`latest balancer error: connection error: desc = "error reading server preface: ` +
			`remote error: tls: expired certificate"`)},
		{"etcd does not know who issued our certificate", noConnection(`latest balancer error: connection error: desc = "error reading server preface: ` +
			`remote error: tls: unknown certificate authority"`)},
		{"no leader", rpctypes.ErrNoLeader},
		{"the leader was lost", rpctypes.ErrTimeoutDueToLeaderFail},
		{"too many requests", rpctypes.ErrTooManyRequests},
		{"nothing listens", noConnection(`latest balancer error: connection error: desc = "transport: Error while dialing: ` +
			`dial tcp 127.0.0.1:2379: connect: connection refused"`)},
		{"no answer", context.DeadlineExceeded},
		{"etcd's own time was up", rpctypes.ErrTimeout},
		{"a connection broke", status.Error(codes.Unavailable, "connection error: desc = \"error reading from server: EOF\"")},
		{"a save lands late, over and over", errLate},
		{"something else", errors.New("raft: stopped")},
	}
	page, errs := faulttest.Page{}, []error{}
	for _, c := range cases {
		page.Add(c.happened, faultAt(writing, []string{"https://a:2379"}, "/rotatord/", c.err))
		errs = append(errs, c.err)
	}
	page.Compare(t, filepath.Join("testdata", "errors.txt"))
	faulttest.EveryRow(t, meanings, errs...)
}

// The caller's own end is no fault of etcd's.
func TestACallerThatEndsIsNoFaultOfEtcds(t *testing.T) {
	page := faulttest.Page{}
	page.Add("the caller ends", faultAt(reading, nil, "/rotatord/", context.Canceled))
	page.Compare(t, filepath.Join("testdata", "caller.txt"))
}
