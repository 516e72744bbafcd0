package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/timefmt"
)

// followed is one slot whose rotation somebody waits for.
type followed struct {
	asked       slot.Status // when the daemon had taken the request down
	compromised bool
	said        string    // of its progress, last
	waits       time.Time // since when it has been waiting for the same; zero when it does not
	verified    bool      // a rotation is since the request; what is still waited for are revocations
	over        bool
	err         error // why it is not waited for any more; nil when the request is met
}

const (
	patience    = 2               // how many failed attempts are enough
	settledWait = 2 * time.Second // what is waited for longer is no passing matter
	lookGap     = 100 * time.Millisecond
)

// followAll waits until the requests of all slots have come to an end, each to its own, and tells of every change. Its
// errors are of those that were not met.
func (a *app) followAll(ctx context.Context, client *adminapi.Client, asked []slot.Status, f rotateFlags) (errs []error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	all := make([]*followed, len(asked))
	for i, s := range asked {
		all[i] = &followed{asked: s, compromised: f.compromised}
	}
	begin := time.Now()
	for open := slices.Clone(all); ; {
		looked := time.Now()
		if err := a.followOnce(ctx, client, open); err != nil {
			for _, s := range open {
				s.end(err)
			}
		}
		if open = slices.DeleteFunc(open, func(s *followed) bool { return s.over }); len(open) == 0 {
			break
		}
		pause(ctx, max(4*time.Since(looked), min(lookGap+time.Since(begin)/20, time.Second)))
	}
	for _, s := range all {
		if s.err != nil {
			errs = append(errs, s.err)
		}
	}
	return errs
}

// followOnce looks at slots once. It fails when there is nothing more to be learnt.
func (a *app) followOnce(ctx context.Context, client *adminapi.Client, open []*followed) error {
	now, err := statusesOf(ctx, client, open)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errTimeout
	case ctx.Err() != nil:
		return errors.New("not waited for any longer; rotatord goes on")
	case isOfFailover(err):
		a.sayOfAll(open, err.Error())
		return nil
	case err != nil:
		return err
	}
	deadline, _ := ctx.Deadline()
	for i, s := range open {
		a.advance(s, now[i], deadline)
	}
	return nil
}

var (
	errTimeout  = errors.New("not verified in time")
	errStillOld = errors.New("verified, but older tokens are not revoked in time")
)

// isOfFailover reports whether no replica leads that could be asked, as between two leaders. What was asked for is
// in the journal, and the next one goes on with it.
func isOfFailover(err error) bool {
	e, ok := errors.AsType[*adminapi.Error](err)
	return ok && (e.Status == http.StatusServiceUnavailable || e.Status == http.StatusGatewayTimeout)
}

// sayOfAll tells once what is true of all that are waited for.
func (a *app) sayOfAll(open []*followed, words string) {
	if open[0].said != words {
		a.say("%s", words)
	}
	for _, s := range open {
		s.said = words
	}
}

// statusesOf asks for the present status of slots: for all at once, when there are several. One that has left the
// configuration has none.
func statusesOf(ctx context.Context, client *adminapi.Client, open []*followed) ([]slot.Status, error) {
	if len(open) == 1 {
		s, err := client.Slot(ctx, open[0].asked.Relay, string(open[0].asked.Type))
		return []slot.Status{s}, err
	}
	all, err := client.Slots(ctx)
	known := make(map[string]slot.Status, len(all))
	for _, s := range all {
		known[s.Slot] = s
	}
	out := make([]slot.Status, len(open))
	for i, s := range open {
		out[i] = known[s.asked.Slot]
	}
	return out, err
}

// advance tells what is new of a slot, and whether its request has come to an end.
func (a *app) advance(s *followed, now slot.Status, deadline time.Time) {
	switch {
	case now.Slot == "":
		s.end(errors.New("the slot has left the configuration"))
		return
	case s.isMet(now):
		a.say("%s: rotated and verified%s", now.Slot, tokenWords(now))
		s.over = true
		return
	}
	if words := s.progress(now); words != s.said {
		a.say("%s: %s", now.Slot, words)
		s.said = words
	}
	if err := s.givenUp(now, time.Now(), deadline); err != nil {
		s.end(err)
	}
}

// end has the slot not be waited for any more.
func (s *followed) end(why error) {
	if errors.Is(why, errTimeout) && s.verified {
		why = errStillOld
	}
	if errors.Is(why, errTimeout) || errors.Is(why, errStillOld) {
		why = fmt.Errorf("%w (%s); rotatord goes on, see `rotatord status`", why, cmp.Or(s.said, "it has just been asked for"))
	}
	s.over, s.err = true, fmt.Errorf("%s: %w", s.asked.Slot, why)
}

// pause waits before slots are asked about again, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// isMet reports whether the request is met: verified after it, and, when compromised, no older token left that has no
// grace. One that was matched has: stillAccepted names it.
func (s *followed) isMet(now slot.Status) bool {
	at := s.asked.Requested
	s.verified = (now.Requested.IsZero() || now.Requested.After(at)) && !now.LastRotation.Before(at)
	isLeft := func(t slot.TokenStatus) bool { return !t.TakenOver && t.Created.Before(at) }
	return s.verified && !(s.compromised && slices.ContainsFunc(now.OldTokens, isLeft))
}

func tokenWords(s slot.Status) string {
	if s.TokenID == "" {
		return ""
	}
	return fmt.Sprintf(": token %s, expires %s", s.TokenID, timefmt.Stamp(s.TokenExpires))
}

// progress says what the slot does, as far as the request is concerned.
func (s *followed) progress(now slot.Status) string {
	switch {
	case s.failures(now) > 0:
		return fmt.Sprintf("failed at step %s: %s; trying again", now.Failure.Stage, now.Failure.Message)
	case now.State == slot.StateSettling:
		return "waiting until relays know the new token"
	case now.Phase == slot.Minted:
		return "delivering"
	case now.Note != "":
		return now.Note
	case now.Requested.IsZero():
		return "waiting until the old tokens are revoked"
	}
	return "minting"
}

// failures counts the attempts that failed since the request.
func (s *followed) failures(now slot.Status) int {
	f := now.Failure
	switch {
	case f == nil || !f.At.After(s.asked.Requested):
		return 0
	case f.Since.After(s.asked.Requested):
		return f.Count
	}
	return max(1, f.Count-s.asked.ConsecutiveFailures)
}

// givenUp says why the request is not waited for until the deadline, if it is not.
func (s *followed) givenUp(status slot.Status, now, deadline time.Time) error {
	if n := s.failures(status); n > 0 {
		return failedFor(status, n, now, deadline)
	}
	if status.WaitsFor == "" {
		s.waits = time.Time{}
		return nil
	}
	if s.waits.IsZero() {
		s.waits = now
	}
	// A place at a full relay may never come: only when it is asked for again is known.
	if now.Sub(s.waits) < settledWait || status.WaitsFor != slot.WaitsForRoom && !status.WaitsUntil.After(deadline) {
		return nil
	}
	return fmt.Errorf("not verified in time: %s; rotatord goes on then", status.Note)
}

// failedFor says what failed, if no more attempts are waited for: trying again alone will not help, or has not, or
// comes after the deadline.
func failedFor(status slot.Status, failed int, now, deadline time.Time) error {
	f, verdict := status.Failure, ""
	if failed < patience && !f.Permanent {
		if !status.NextAttempt.After(deadline) {
			return nil
		}
		verdict = "not verified in time: "
	}
	return fmt.Errorf("%s%s failed, the last at step %s: %s; rotatord goes on, next attempt %s",
		verdict, count(failed, "attempt"), f.Stage, f.Message, timefmt.Until(now, status.NextAttempt))
}
