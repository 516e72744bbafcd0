// Package mandate binds what is done for a leader to the term in which that began.
//
// Of several replicas one leads at a time, and one process may lead in several terms. What waited meanwhile, for its
// turn, for a connection or for a kernel that does not answer, must not go by the newer term. So a call has its
// mandate with it, in its context, and who lets it out asks that one, a connection or a disk: MayBegin right
// before the first of it leaves, and MayAct before all that follows.
package mandate

import "context"

// Mandate says until when a call may be made. The zero value has no end.
type Mandate struct {
	// Lasts returns why nothing more may leave; nil as long as nobody else can lead. It asks nobody, and does not block.
	Lasts func() error
	// Proof returns nil if it was said within the last second that the term goes on; it asks where that is longer ago, and
	// returns when ctx ends, at the latest. Calls that change nothing have none.
	Proof func(ctx context.Context) error
}

type key struct{}

// With returns ctx for calls under m.
func With(ctx context.Context, m Mandate) context.Context { return context.WithValue(ctx, key{}, m) }

// Of returns the mandate of a call; one that has none may be made as long as lasts says, which may be nil.
func Of(ctx context.Context, lasts func() error) Mandate {
	if m, ok := ctx.Value(key{}).(Mandate); ok {
		return m
	}
	return Mandate{Lasts: lasts}
}

// MayAct returns why nothing more may leave.
func (m Mandate) MayAct() error {
	if m.Lasts == nil {
		return nil
	}
	return m.Lasts()
}

// MayBegin returns why the first of a call may not leave now. It may ask, and then takes its time.
func (m Mandate) MayBegin(ctx context.Context) error {
	if err := m.MayAct(); err != nil || m.Proof == nil {
		return err
	}
	if err := m.Proof(ctx); err != nil {
		return err
	}
	return m.MayAct()
}
