package daemon

import (
	"sync"
	"time"
)

// vigil is for how long this replica has looked for others, and seen none. Time in which it could not look proves nothing,
// and does not count: etcd was away, or this process stood still.
type vigil struct {
	mu     sync.Mutex
	whom   string        // it looks for
	at     time.Duration // elapsed time of its last look
	lasted time.Duration
}

// countedAtMost is how much of the time since the look before counts: looks are a second apart.
const countedAtMost = 2 * lookPause

// note is told of a look: whether it has shown that nobody is there. One that failed begins the vigil anew, since
// who comes back from an outage, as this replica does, is seen only a while later.
func (v *vigil) note(whom string, nobody bool, now time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if nobody && whom == v.whom {
		v.lasted += min(now-v.at, countedAtMost)
	} else {
		v.lasted = 0
	}
	v.whom, v.at = whom, now
}

// lastedFor returns for how long whom was looked for in vain.
func (v *vigil) lastedFor(whom string) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if whom != v.whom {
		return 0
	}
	return v.lasted
}
