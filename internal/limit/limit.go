// Package limit lets so many callers in at a time: a Limiter in all, a Keyed one for each key.
//
// Enter waits for room and returns the function that makes it again, to be called once. Who waits
// leaves when its context ends, with that error; who is inside is not interrupted: a call that a
// hung file system never answers keeps its place, and takes no other.
package limit

import (
	"context"
	"sync"
)

// Limiter lets a bounded number of callers in. It is safe for concurrent use.
type Limiter struct{ room chan struct{} }

// New returns a Limiter for most callers at a time; most is 1 or more.
func New(most int) *Limiter { return &Limiter{make(chan struct{}, most)} }

// Enter waits for room. After nil the caller calls leave, once; an error is that of ctx.
func (l *Limiter) Enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case l.room <- struct{}{}:
		return func() { <-l.room }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Keyed lets one caller in at a time for each key. It remembers the keys that are in use, and no
// others. It is safe for concurrent use.
type Keyed struct {
	mu    sync.Mutex
	inUse map[string]*user
}

// user is a key in use.
type user struct {
	limiter *Limiter
	callers int // waiting or inside; guarded by Keyed.mu
}

// NewKeyed returns a Keyed.
func NewKeyed() *Keyed { return &Keyed{inUse: map[string]*user{}} }

// Enter waits until nobody else is inside for key. After nil the caller calls leave, once; an error is
// that of ctx.
func (k *Keyed) Enter(ctx context.Context, key string) (leave func(), err error) {
	u := k.useKey(key)
	alone, err := u.limiter.Enter(ctx)
	if err != nil {
		k.unuseKey(key, u)
		return nil, err
	}
	return func() {
		alone()
		k.unuseKey(key, u)
	}, nil
}

func (k *Keyed) useKey(key string) *user {
	k.mu.Lock()
	defer k.mu.Unlock()
	u := k.inUse[key]
	if u == nil {
		u = &user{limiter: New(1)}
		k.inUse[key] = u
	}
	u.callers++
	return u
}

func (k *Keyed) unuseKey(key string, u *user) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if u.callers--; u.callers == 0 {
		delete(k.inUse, key)
	}
}
