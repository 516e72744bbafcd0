package slot

import "time"

// Action is what a decision says to do next with a slot, as data. The types of
// this file are all there are.
type Action interface{ isAction() }

// Wait says that nothing is to be done before a time; zero: before something happens.
type Wait struct{ Until time.Time }

// TakeBack takes back to the present what a wall clock that was wrong put further ahead than its rule can reach: with
// the clock set right, the slot would wait for it.
type TakeBack struct{ Bounds Bounds }

// DateFirstSight has the slot have been seen for the first time at a time of the clock of schedules.
type DateFirstSight struct{ At time.Time }

// AdoptSchedule has the slot go by a schedule that was changed, from now on.
type AdoptSchedule struct{}

// Save makes memory durable.
type Save struct{}

// Reserve asks for a turn in the budget.
type Reserve struct{}

// Inspect finds out what targets hold, and perhaps whether they could be written.
type Inspect struct {
	Targets []Target
	Depth   Depth
}

// List finds out what the relay accepts. A failure counts as one of the stage.
type List struct{ Stage Stage }

// Prove makes sure that the account answers.
type Prove struct{}

// Fail records that an attempt failed on what was seen.
type Fail struct {
	Stage   Stage
	Errs    []error  // one at least
	Targets []Target // that they are of
}

// EndFailure ends the present run of failures: its cause cannot apply any more.
type EndFailure struct{}

// Mint journals the intent, calls Cloudflare and journals the value.
type Mint struct{ Due Due }

// Deliver brings the value to required targets.
type Deliver struct {
	Targets    []Target
	ReadBefore bool // of an in_place value that needs judging: each is read before it is written, and must hold what was there before
}

// Redirect has the value go to targets in the place of those that left the slot, too.
type Redirect struct {
	Targets []Target
	Found   []Found // what they hold
}

// GiveUp gives up a value that an earlier process minted: a newer one may be served by now.
type GiveUp struct{ Err error }

// Conclude records that every required target holds the value.
type Conclude struct{}

// DeliverOptional brings the value to optional targets, on the side.
type DeliverOptional struct{ Targets []Target }

// Drop forgets the value: every target holds it, or it is of no use any more.
type Drop struct{}

// BeginGrace has an adopted token, which no target serves any more, live on for a grace.
type BeginGrace struct {
	Token Token
	Anew  bool // instead: its grace began in another boot, and nothing tells how much of it has passed
}

// Revoke revokes a token that no required target is to be serving any more, or one that has expired, the current one too.
type Revoke struct {
	Token   Token
	Expired bool // it was dead already
}

// RevokeOrphan revokes the token of a lost mint.
type RevokeOrphan struct {
	Orphan Orphan
	Token  Token
}

// AdoptOrphan keeps the token of a lost mint: a target may serve it.
type AdoptOrphan struct {
	Orphan Orphan
	Token  Token
}

// ForgetOrphan gives up a lost mint that can no longer turn up.
type ForgetOrphan struct{ Orphan Orphan }

func (Wait) isAction()            {}
func (Save) isAction()            {}
func (Reserve) isAction()         {}
func (Inspect) isAction()         {}
func (List) isAction()            {}
func (Prove) isAction()           {}
func (Fail) isAction()            {}
func (EndFailure) isAction()      {}
func (Mint) isAction()            {}
func (Deliver) isAction()         {}
func (Redirect) isAction()        {}
func (GiveUp) isAction()          {}
func (Conclude) isAction()        {}
func (DeliverOptional) isAction() {}
func (Drop) isAction()            {}
func (TakeBack) isAction()        {}
func (DateFirstSight) isAction()  {}
func (AdoptSchedule) isAction()   {}
func (BeginGrace) isAction()      {}
func (Revoke) isAction()          {}
func (RevokeOrphan) isAction()    {}
func (AdoptOrphan) isAction()     {}
func (ForgetOrphan) isAction()    {}

// Urgent reports whether an action is still carried out while the process stops: a
// value at hand is brought home.
func Urgent(a Action) bool {
	switch a.(type) {
	case Deliver, Redirect, Conclude, Save:
		return true
	}
	return false
}

// isWait reports whether an action says that there is nothing to do now.
func isWait(a Action) bool {
	_, wait := a.(Wait)
	return wait
}
