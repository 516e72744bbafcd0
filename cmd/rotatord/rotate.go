package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// rotateFlags are the choices of `rotate`.
type rotateFlags struct {
	all, noWait, compromised bool
	timeout                  time.Duration
	answer                   time.Duration // for each answer before the waiting begins
}

// leastAnswer is what a daemon has for an answer under the shortest timeout: a list of very many slots takes seconds.
const leastAnswer = 10 * time.Second

func (a *app) rotateCommand() *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate RELAY[/TYPE]... | --all",
		Short: "Rotate now, through the daemon, and wait until it is verified",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.all == (len(args) > 0) {
				return errUsage{errors.New("name the slots to rotate (RELAY or RELAY/TYPE), or give --all")}
			}
			f.answer = max(f.timeout, leastAnswer)
			return a.rotate(cmd.Context(), a.client(), args, f)
		},
	}
	cmd.Flags().BoolVar(&f.all, "all", false, "rotate every slot")
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "return as soon as the daemon has taken the request down")
	cmd.Flags().BoolVar(&f.compromised, "compromised", false, "a token is known to others: revoke every older one that rotatord made, without grace, once the new one is served and has settled")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 5*time.Minute, "how long to wait")
	return cmd
}

const staysOpen = "connections that are already open stay open: Cloudflare checks a token when a client connects"

func (a *app) rotate(ctx context.Context, client *adminapi.Client, args []string, f rotateFlags) error {
	slots, err := choose(ctx, client, args, f.answer)
	if err != nil {
		return err
	}
	asked, errs := a.ask(ctx, client, slots, f)
	if f.compromised && f.noWait && len(asked) > 0 {
		a.say("%s", staysOpen)
	}
	if f.noWait || len(asked) == 0 {
		return errors.Join(errs...)
	}
	unmet := a.followAll(ctx, client, asked, f)
	if len(slots) > 1 {
		a.say("%d of %s rotated and verified", len(asked)-len(unmet), count(len(slots), "slot"))
	}
	errs = append(errs, unmet...)
	if f.compromised {
		a.say("%s", staysOpen)
		errs = append(errs, a.stillAccepted(ctx, client, asked))
	}
	return errors.Join(errs...)
}

// ask asks for a rotation of each slot, and returns those of which the daemon has taken that down.
func (a *app) ask(ctx context.Context, client *adminapi.Client, slots []slot.Status, f rotateFlags) (asked []slot.Status, errs []error) {
	for _, s := range slots {
		now, err := within(ctx, f.answer, func(ctx context.Context) (slot.Status, error) {
			return client.Rotate(ctx, s.Relay, string(s.Type), f.compromised)
		})
		if _, none := errors.AsType[errNoAnswer](err); none || errors.Is(err, adminapi.ErrNoDaemon) {
			return asked, append(errs, err) // nor is there one for the others
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Slot, err))
			continue
		}
		a.say("%s: rotation asked for", s.Slot)
		asked = append(asked, now)
	}
	return asked, errs
}

// choose finds the slots that args name; none means all.
func choose(ctx context.Context, client *adminapi.Client, args []string, answer time.Duration) ([]slot.Status, error) {
	known, err := within(ctx, answer, client.Slots)
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

// Lists lag: for some seconds they may show what was revoked.
const (
	lookFor = 70 * time.Second // what is listed for so long is accepted
	listGap = 5 * time.Second
)

// stillAccepted names the tokens with the same rights that the relays go on accepting. It looks again, for a while,
// as long as there are any.
func (a *app) stillAccepted(ctx context.Context, client *adminapi.Client, asked []slot.Status) error {
	for looked := time.Duration(0); ; looked += listGap {
		last := ctx.Err() != nil || looked >= lookFor
		left, err := listStandIns(ctx, client, asked, last)
		switch {
		case err != nil:
			return err
		case len(left) == 0:
			return nil
		case last:
			return fmt.Errorf("still accepted with the same rights: %s", strings.Join(left, "; "))
		case looked == 0:
			a.say("still listed with the same rights: %s; lists lag behind, so the relays are looked at again for up to %.0f s",
				strings.Join(left, "; "), lookFor.Seconds())
		}
		a.pause(ctx, listGap)
	}
}

// listStandIns names the tokens that the relays list and that may do what those of the slots may. The last list counts
// for an in_place slot only if it has the slot's own token, by the id that the value claims.
func listStandIns(ctx context.Context, client *adminapi.Client, asked []slot.Status, last bool) (left []string, err error) {
	ctx = context.WithoutCancel(ctx) // once the time is over, what was found is still to be said
	for _, s := range asked {
		now, err := client.Slot(ctx, s.Relay, string(s.Type))
		if err != nil {
			return nil, err
		}
		inPlace := s.Strategy == moq.InPlace
		if inPlace && now.TokenID == "" {
			continue // its value claims no id, by which it could be told from others
		}
		tokens, err := client.Tokens(ctx, s.Relay)
		if inPlace && isNotOffered(err) {
			continue // an account that has in_place alone has no lists
		}
		if err != nil {
			return nil, fmt.Errorf("%s: what else is accepted cannot be listed: %w", s.Slot, err)
		}
		if !inPlace || !last || slices.ContainsFunc(tokens, func(t adminapi.Token) bool { return t.TokenID == now.TokenID }) {
			left = append(left, standInsOf(now, tokens)...)
		}
	}
	return left, nil
}

// standInsOf names those of a relay's tokens that are not the slot's and may do what its may.
func standInsOf(s slot.Status, tokens []adminapi.Token) (names []string) {
	for _, t := range tokens {
		if t.TokenID != s.TokenID && mayStandIn(t, s) && (t.Expires.IsZero() || t.Expires.After(time.Now())) {
			names = append(names, fmt.Sprintf("%s on relay %s (%s)", t.TokenID, s.Relay, ownerWords(t)))
		}
	}
	return names
}

func isNotOffered(err error) bool {
	e, ok := errors.AsType[*adminapi.Error](err)
	return ok && e.Status == http.StatusConflict
}

// mayStandIn reports whether a token may do what the slot's tokens may, and is not known to be another slot's.
func mayStandIn(t adminapi.Token, s slot.Status) bool {
	return moq.SameOperations(t.Operations, s.Operations) && (t.Slot == "" || t.Slot == s.Slot)
}
