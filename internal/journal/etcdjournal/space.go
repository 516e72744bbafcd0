package etcdjournal

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/fault"
)

// Space is how full the fullest member is.
type Space struct {
	Size, Quota int64 // bytes
	Full        bool  // nothing can be written, leases and candidacies included, until somebody makes room
}

// Space asks all members, and tells of those that answer.
func (p *place) Space(ctx context.Context) (Space, error) {
	var fullest Space
	var errs []error
	members := p.client.Endpoints()
	for _, endpoint := range members {
		found, err := p.spaceOf(ctx, endpoint)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if found.share() >= fullest.share() {
			fullest = Space{found.Size, found.Quota, found.Full || fullest.Full}
		}
	}
	if len(errs) == len(members) {
		return Space{}, p.faultOf(reading, errors.Join(errs...))
	}
	return fullest, nil
}

// share is the part of the quota that is used.
func (s Space) share() float64 {
	if s.Quota <= 0 {
		return 0 // etcd tells it from version 3.6 on
	}
	return float64(s.Size) / float64(s.Quota)
}

func (p *place) spaceOf(ctx context.Context, endpoint string) (Space, error) {
	var answer *clientv3.StatusResponse
	err := p.callOnce(ctx, func(ctx context.Context) (err error) {
		answer, err = p.client.Status(ctx, endpoint)
		return err
	})
	if err != nil {
		return Space{}, err
	}
	full := slices.ContainsFunc(answer.Errors, func(alarm string) bool { return strings.Contains(alarm, "NOSPACE") })
	return Space{answer.DbSize, answer.DbSizeQuota, full}, nil
}

// CanRead reports whether a revision can still be read: nobody has compacted etcd up to it. One that is a day old and
// can be read shows that nobody does, and that etcd will be full some day.
func (p *place) CanRead(ctx context.Context, revision int64) (bool, error) {
	_, err := p.get(ctx, p.full(formatKey), clientv3.WithRev(revision), clientv3.WithKeysOnly())
	switch {
	case fault.Is(rpctypes.ErrCompacted, rpctypes.ErrFutureRev)(err): // an etcd that was restored has gone back
		return false, nil
	case err != nil:
		return false, p.faultOf(reading, err)
	}
	return true, nil
}
