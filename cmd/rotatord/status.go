package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/timefmt"
)

func (a *app) statusCommand() *cobra.Command {
	var check, ready bool
	cmd := a.listing(&cobra.Command{
		Use:   "status",
		Short: "Show every slot: state, token's age, next run, expiry, sinks",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if check && ready {
				return errUsage{errors.New("--check and --ready are two questions: ask one at a time")}
			}
			client := a.client()
			if ready {
				return client.Ready(cmd.Context())
			}
			all, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			slots := all.Slots
			slices.SortFunc(slots, func(a, b slot.Status) int { return strings.Compare(a.Slot, b.Slot) })
			if err := a.printStatus(all); err != nil {
				return err
			}
			return failWhen(check, slots)
		},
	})
	cmd.Flags().BoolVar(&ready, "ready", false, "show nothing, and exit 0 when /-/ready would say 200: for probes")
	cmd.Flags().BoolVar(&check, "check", false, "exit 1 when a slot is failing or overdue, or has an unhealthy required target")
	return cmd
}

func (a *app) printStatus(all adminapi.SlotList) error {
	now, slots := time.Now(), all.Slots
	rows := make([][]string, len(slots))
	for i, s := range slots {
		rows[i] = []string{
			s.Slot, string(s.State), string(s.Strategy), timefmt.Since(now, cmp.Or(s.TokenCreated, s.LastRotation)), nextRunColumn(now, s),
			timefmt.Until(now, s.TokenExpires), sinkStates(s),
		}
	}
	if err := a.print(slots, "SLOT\tSTATE\tSTRATEGY\tAGE\tNEXT RUN\tEXPIRES\tSINKS", rows); err != nil || a.output == "json" {
		return err
	}
	for _, s := range slots {
		a.explain(now, s)
	}
	for _, note := range all.Notes {
		a.say("\n%s", note)
	}
	if l := all.Leader; l != nil {
		a.say("\nreplica %s leads, since %s", redact.Name(l.Replica), timefmt.Stamp(l.Since))
	}
	return nil
}

// explain adds what the table has no room for.
func (a *app) explain(now time.Time, s slot.Status) {
	if !s.BlackoutSince.IsZero() {
		a.say("\n%s: BLACKOUT since %s: consumers may be locked out", s.Slot, timefmt.Stamp(s.BlackoutSince))
	}
	if f := s.Failure; f != nil {
		a.say("\n%s: failed %s, at step %s: %s\n  next attempt %s",
			s.Slot, timesInARow(f.Count), f.Stage, f.Message, timefmt.Until(now, s.NextAttempt))
	}
	for _, t := range s.Sinks {
		a.explainTarget(now, s, t)
	}
	if s.Note != "" {
		a.say("\n%s: %s", s.Slot, s.Note)
	}
	if !s.WaitsUntil.IsZero() && s.Failure == nil {
		a.say("  next attempt %s", timefmt.Until(now, s.WaitsUntil))
	}
}

func timesInARow(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in a row", n)
}

// explainTarget says since when a target is not well, when it is repaired, and what is wrong with it.
func (a *app) explainTarget(now time.Time, s slot.Status, t slot.TargetStatus) {
	var about []string
	if t.State.IsUnhealthy() || t.State == slot.TargetUnknown && !t.Since.IsZero() && s.BlackoutSince.IsZero() {
		about = append(about, fmt.Sprintf("%s is %s, for %s", t.Target, t.State, timefmt.Since(now, t.Since)))
	}
	if t.Repair != "" {
		about = append(about, "repaired "+t.Repair)
	}
	if err := t.ErrorBeside(); err != "" {
		about = append(about, err)
	}
	if len(about) > 0 {
		a.say("\n%s: %s: %s", s.Slot, t.Sink, strings.Join(about, "; "))
	}
}

func failWhen(check bool, slots []slot.Status) error {
	bad := 0
	for _, s := range slots {
		if s.ConsecutiveFailures > 0 || s.Overdue || s.UnhealthyTargets() > 0 {
			bad++
		}
	}
	switch {
	case !check || bad == 0:
		return nil
	case bad == 1:
		return errors.New("1 slot is failing or overdue, or has an unhealthy target")
	}
	return errors.New(count(bad, "slot") + " are failing or overdue, or have an unhealthy target")
}

func nextRunColumn(now time.Time, s slot.Status) string {
	switch {
	case s.Overdue:
		return "overdue " + timefmt.Since(now, s.OverdueSince)
	case s.Manual && s.NextRotation.IsZero():
		return "manual"
	}
	return timefmt.Until(now, s.NextRotation)
}

func sinkStates(s slot.Status) string {
	out := make([]string, len(s.Sinks))
	for i, t := range s.Sinks {
		out[i] = t.Sink + " " + string(t.State)
		if !t.Required {
			out[i] += " (optional)"
		}
	}
	return strings.Join(out, ", ")
}
