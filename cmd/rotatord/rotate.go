package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/timefmt"
)

// rotateFlags are the choices of `rotate`.
type rotateFlags struct {
	all, noWait, compromised bool
	timeout                  time.Duration
}

func (a *app) rotateCommand() *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate RELAY[/TYPE]... | --all",
		Short: "Rotate now, through the daemon, and wait until it is verified",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.all == (len(args) > 0) {
				return errUsage{errors.New("name the slots to rotate (RELAY or RELAY/TYPE), or give --all")}
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			return a.rotate(cmd.Context(), client, args, f)
		},
	}
	cmd.Flags().BoolVar(&f.all, "all", false, "rotate every slot")
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "return as soon as the daemon has taken the request down")
	cmd.Flags().BoolVar(&f.compromised, "compromised", false, "a token is known to others: revoke every older token as soon as the new one is served, without grace")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 5*time.Minute, "how long to wait")
	return cmd
}

func (a *app) rotate(ctx context.Context, client *adminapi.Client, args []string, f rotateFlags) error {
	slots, err := choose(ctx, client, args)
	if err != nil {
		return err
	}
	asked := make([]slot.Status, len(slots))
	for i, s := range slots {
		if asked[i], err = client.Rotate(ctx, s.Relay, string(s.Type), f.compromised); err != nil {
			return err
		}
		a.say("%s: rotation asked for", s.Slot)
	}
	if f.noWait {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	var errs []error
	for _, s := range asked {
		errs = append(errs, a.follow(ctx, client, s, f))
	}
	if f.compromised {
		a.say("connections that are already open stay open: Cloudflare checks a token when a client connects")
		errs = append(errs, a.stillAccepted(ctx, client, asked))
	}
	return errors.Join(errs...)
}

// choose finds the slots that args name; none means all.
func choose(ctx context.Context, client *adminapi.Client, args []string) ([]slot.Status, error) {
	known, err := client.Slots(ctx)
	if err != nil || len(args) == 0 {
		return known, err
	}
	var out []slot.Status
	for _, arg := range args {
		n := len(out)
		for _, s := range known {
			if (s.Slot == arg || s.Relay == arg) && !slices.ContainsFunc(out, func(o slot.Status) bool { return o.Slot == s.Slot }) {
				out = append(out, s)
			}
		}
		if len(out) == n && !slices.ContainsFunc(out, func(o slot.Status) bool { return o.Slot == arg || o.Relay == arg }) {
			return nil, fmt.Errorf("no slot is called %q; `rotatord status` lists them", arg)
		}
	}
	return out, nil
}

// follow waits until the request for a slot is met, and tells of every change.
func (a *app) follow(ctx context.Context, client *adminapi.Client, asked slot.Status, f rotateFlags) error {
	said := ""
	deadline, _ := ctx.Deadline()
	for {
		s, err := client.Slot(ctx, asked.Relay, string(asked.Type))
		if ctx.Err() != nil {
			return fmt.Errorf("%s: not verified in time (%s); rotatord goes on, see `rotatord status`", asked.Slot, said)
		}
		if err != nil {
			return err
		}
		if met(s, asked, f) {
			a.say("%s: rotated and verified%s", s.Slot, tokenWords(s))
			return nil
		}
		if now := progress(s); now != said {
			a.say("%s: %s", s.Slot, now)
			said = now
		}
		if err := givenUp(s, asked, time.Now(), deadline); err != nil {
			return err
		}
		pause(ctx)
	}
}

// pause waits before a slot is asked about again, or until ctx ends.
func pause(ctx context.Context) {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
	}
}

// met reports whether the request is: verified after it, and, when compromised, no
// older token left in a grace.
func met(s, asked slot.Status, f rotateFlags) bool {
	if !s.Requested.IsZero() && !s.Requested.After(asked.Requested) || s.Rotated.Before(asked.Requested) {
		return false
	}
	return !f.compromised || !slices.ContainsFunc(s.Old, func(t slot.TokenStatus) bool { return t.Created.Before(asked.Requested) })
}

func tokenWords(s slot.Status) string {
	if s.TokenID == "" {
		return ""
	}
	return fmt.Sprintf(": token %s, expires %s", s.TokenID, timefmt.Stamp(s.Expires))
}

func progress(s slot.Status) string {
	switch {
	case s.Failure != nil:
		return fmt.Sprintf("failed at step %s: %s; trying again", s.Failure.Stage, s.Failure.Message)
	case s.State == slot.StateSettling:
		return "waiting until relays know the new token"
	case s.Phase == slot.Minted:
		return "delivering"
	case s.Note != "":
		return s.Note
	case s.Requested.IsZero():
		return "revoking the old tokens"
	}
	return "minting"
}

// patience is how many failed attempts are waited through.
const patience = 3

// givenUp says why the request is not waited for until the deadline, if it is not: too many
// attempts have failed, or the next one comes only after it.
func givenUp(s, asked slot.Status, now, deadline time.Time) error {
	if s.Failure == nil || s.Failure.Count <= asked.Failures {
		return nil
	}
	failed, verdict := s.Failure.Count-asked.Failures, ""
	if failed < patience {
		if !s.Failure.Next.After(deadline) {
			return nil
		}
		verdict = "not verified in time: "
	}
	return fmt.Errorf("%s: %s%s failed, the last at step %s: %s; rotatord goes on, next attempt %s",
		s.Slot, verdict, count(failed, "attempt"), s.Failure.Stage, s.Failure.Message, timefmt.Until(now, s.Failure.Next))
}

// stillAccepted names the tokens with the same rights that the relays go on accepting.
func (a *app) stillAccepted(ctx context.Context, client *adminapi.Client, asked []slot.Status) error {
	var left []string
	for _, s := range asked {
		if s.Strategy != moq.Overlap {
			continue
		}
		now, err := client.Slot(ctx, s.Relay, string(s.Type))
		if err != nil {
			return err
		}
		tokens, err := client.Tokens(ctx, s.Relay)
		if err != nil {
			return fmt.Errorf("%s: what else is accepted cannot be listed: %w", s.Slot, err)
		}
		for _, t := range tokens {
			if t.ID != now.TokenID && mayStandIn(t, now) && (t.Expires.IsZero() || t.Expires.After(time.Now())) {
				left = append(left, fmt.Sprintf("%s on relay %s (%s)", t.ID, s.Relay, ownerWords(t)))
			}
		}
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("still accepted with the same rights: %s", strings.Join(left, "; "))
}

// mayStandIn reports whether a token may do what the slot's tokens may, and is not known to be another slot's.
func mayStandIn(t adminapi.Token, s slot.Status) bool {
	return moq.SameOperations(t.Operations, s.Operations) && (t.Slot == "" || t.Slot == s.Slot)
}
