package etcdjournal

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/moving"
)

// What was tried when the journal failed.
const (
	opening = "open journal"
	reading = "read journal"
	writing = "write journal"
)

// meanings says what each error means here. What may pass is Retry, so that a start waits for it; of those, Storage is
// what a person may have to mend in etcd.
var meanings = fault.Table[error]{
	fault.When(fault.Is(errClosed), fault.Retry, fault.Storage, "rotatord is stopping"),
	fault.When(fault.Is(ErrNotLeader), fault.Retry, fault.Conflict, "who leads goes on; this replica stands by"),
	fault.When(fault.Is(ErrRestored), fault.Retry, fault.Conflict,
		"all is read anew; if no snapshot of etcd was restored, find out who else writes below {prefix}"),
	fault.When(fault.Is(ErrNotRead), fault.Retry, fault.Storage, "it is being read"),
	fault.When(fault.Is(errHandedOver, errStopped, errLost), fault.Retry, fault.Storage, "it is read anew"),
	fault.When(fault.Is(errBehind, errSilent), fault.Retry, fault.Storage,
		"see whether etcd's members reach each other, and whether their disks are slow"),
	fault.When(fault.Is(durable.ErrNewer), fault.Permanent, fault.Invalid,
		"upgrade this one: run the rotatord that made it, or a newer one; nothing was touched"),
	fault.When(fault.Is(ErrOtherIdentity), fault.Permanent, fault.Invalid,
		"give all replicas one identity_file; it may hold several identities, of which all open"),
	fault.When(fault.Is(errForeign), fault.Permanent, fault.Invalid,
		"give all replicas one identity_file; if they have, find out who else writes below {prefix}, and restore a snapshot"),
	fault.When(fault.Is(durable.ErrDamaged), fault.Permanent, fault.Invalid,
		"find out who else writes below {prefix}, and restore a snapshot of etcd"),
	fault.When(fault.Is(errNoRestore), fault.Permanent, fault.Internal, "restore a snapshot of etcd"),
	fault.When(fault.Is(rpctypes.ErrNoSpace), fault.Retry, fault.Storage,
		"etcd is full: compact and defragment it, or raise its quota, then disarm its alarm (etcdctl alarm disarm); "+
			"have it compact by itself (--auto-compaction-retention)"),
	fault.When(fault.Is(errTight), fault.Retry, fault.Storage,
		"have etcd compact by itself (--auto-compaction-retention), defragment it, or raise its quota (--quota-backend-bytes): "+
			"once it is full, nothing is minted, and no replica can be elected"),
	fault.When(fault.Is(errUncompacted), fault.Retry, fault.Storage,
		"start its members with --auto-compaction-retention=1h; else it becomes full"),
	fault.When(fault.Is(rpctypes.ErrCorrupt), fault.Retry, fault.Storage,
		"a member of etcd found its data damaged: see etcd's log, and replace the member"),
	fault.When(fault.Is(rpctypes.ErrPermissionDenied, rpctypes.ErrUserEmpty), fault.Retry, fault.Storage,
		"grant the role of this etcd user readwrite on {prefix} and all below (etcdctl role grant-permission --prefix)"),
	fault.When(fault.Is(rpctypes.ErrAuthFailed, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision), fault.Retry,
		fault.Storage, "check username and password of state.etcd"),
	fault.When(fault.Is(rpctypes.ErrRequestTooLarge), fault.Permanent, fault.Internal,
		"etcd's --max-request-bytes is below its default: raise it"),
	fault.When(says("remote error: tls: expired certificate"), fault.Retry, fault.Storage,
		"the certificate in cert_file of state.etcd has expired: put a new one there, and its key into key_file; "+
			"they are read anew with each connection"),
	fault.When(says("remote error: tls:"), fault.Retry, fault.Storage,
		"etcd refuses this replica's certificate: check cert_file and key_file of state.etcd, and that etcd's --trusted-ca-file "+
			"holds who issued it"),
	fault.When(says("certificate has expired or is not yet valid"), fault.Retry, fault.Storage,
		"put a new certificate into etcd's --cert-file, which it reads anew by itself; or set this machine's clock"),
	fault.When(says("x509:", "tls:", "authentication handshake failed"), fault.Retry, fault.Storage,
		"check ca_file, cert_file and key_file of state.etcd, the clocks, and which names etcd's certificates hold"),
	fault.When(fault.Is(rpctypes.ErrNoLeader, rpctypes.ErrLeaderChanged, rpctypes.ErrTimeoutDueToLeaderFail, rpctypes.ErrTimeoutDueToConnectionLost),
		fault.Retry, fault.Storage, "etcd has no leader: more than half of its members must run and reach each other"),
	fault.When(fault.Is(rpctypes.ErrTooManyRequests), fault.Retry, fault.Storage, "etcd is overloaded: see whether its disks are slow"),
	fault.When(fault.Is(errLate), fault.Retry, fault.Storage, "etcd answers late: see whether its disks are slow"),
	fault.When(says("connection refused", "no such host"), fault.Retry, fault.Storage, "nothing listens there: check endpoints of state.etcd, and that etcd runs"),
	fault.When(isSilent, fault.Retry, fault.Storage,
		"etcd did not answer in time: check that more than half of its members run, the network, and their disks"),
	fault.When(fault.Any[error], fault.Retry, fault.Storage, "see etcd's log"),
}

// isFinal reports whether it would be in vain to call again: etcd or this store has refused, and nothing was done.
func isFinal(err error) bool {
	return fault.Is(
		errClosed, ErrNotLeader, ErrRestored, ErrOtherIdentity, durable.ErrNewer, durable.ErrDamaged, errNoRestore, errGone, context.Canceled,
		rpctypes.ErrNoSpace, rpctypes.ErrCorrupt, rpctypes.ErrPermissionDenied, rpctypes.ErrUserEmpty, rpctypes.ErrAuthFailed,
		rpctypes.ErrRequestTooLarge, rpctypes.ErrCompacted, rpctypes.ErrFutureRev,
	)(err)
}

// says reports what gRPC tells in words alone.
func says(words ...string) func(error) bool {
	return func(err error) bool { return containsAny(err, words...) }
}

func isSilent(err error) bool {
	var e rpctypes.EtcdError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && containsAny(e, "timed out") ||
		containsAny(err, "context deadline exceeded", "unavailable", "connection error")
}

func containsAny(err error, words ...string) bool {
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// faultOf says what was tried where, and what it means that it failed.
func (p *place) faultOf(tried string, err error) error {
	if p.closing.Err() != nil && errors.Is(err, context.Canceled) {
		err = errClosed
	}
	return faultAt(tried, p.client.Endpoints(), p.prefix, err)
}

// FaultOf says the same of what was tried in etcd beside the journal, such as a candidacy.
func FaultOf(tried string, client *clientv3.Client, prefix string, err error) error {
	return faultAt(tried, client.Endpoints(), strings.TrimSuffix(prefix, "/")+"/", err)
}

func faultAt(tried string, endpoints []string, prefix string, err error) (f *fault.Error) {
	object := strings.TrimSpace("etcd " + strings.Join(endpoints, ",") + " " + prefix)
	if errors.Is(err, context.Canceled) { // the caller's
		f = fault.Of(err)
		f.Op, f.Object = tried, object
		return f
	}
	m, _ := meanings.Find(err) // the last row is for all
	f = m.Error(tried, object, err, "{prefix}", prefix)
	if r, ok := errors.AsType[*moving.Refusal](err); ok {
		r.Explain(f, MoveArgument)
	}
	return f
}
