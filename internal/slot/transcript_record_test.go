package slot

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// recordLines are all that a record says, one fact a line; those of a rotation or a token are below its name.
func recordLines(r *Record) []string {
	var l lines
	l.add(true, "first seen %s%s", timestampText(r.FirstSeen), textIf(r.exceptions().FirstSeenClock != Reading{}, " by our clock"))
	l.addTime("first rotation due since", r.InitialSince.Time())
	l.addTime("scheduled through", r.MetThrough.Time())
	in := r.inForce()
	l.add(in.Text != "", "goes by the schedule %s in %s%s", in.Text, in.Zone, textIf(!in.Since.IsZero(), " since "+timestampText(in.Since)))
	l.addTime("first unmet instant", in.Next.Time())
	l = append(l, rotationLines("pending mint", r.PendingMint)...)
	l = append(l, rotationLines("rotation", r.Rotation)...)
	l.addTime("last rotation at", r.LastRotation.Time())
	l = append(l, tokenLines("current", r.Current)...)
	for i := range r.Retiring {
		l = append(l, tokenLines("retiring", &r.Retiring[i])...)
	}
	for _, o := range r.Orphans {
		l.add(true, "orphan %s, %s at %s%s%s", nameOf(o.RotationID), lostOr(o.TokenID), timeText(o.At), textIf(o.Crashed, " by a crash"),
			textIf(!o.TurnedUp.IsZero(), ", found at "+timestampText(o.TurnedUp)))
	}
	f := r.forgotten()
	l.add(f.ForgottenThrough != "", "lost mints are forgotten through %s", nameOf(f.ForgottenThrough))
	for _, id := range f.ForgottenIDs {
		l.add(true, "the lost mint %s is forgotten", nameOf(id))
	}
	for _, rc := range r.Receipts {
		l.add(rc.RotationID != "", "%s holds %s since %s", rc.Sink, rc.Digest, timestampText(rc.At))
		l.add(rc.MayHold != "", "%s may hold %s", rc.Sink, nameOf(rc.MayHold))
		for _, id := range rc.MayAlsoHold {
			l.add(true, "%s may also hold %s", rc.Sink, nameOf(id))
		}
	}
	if q := r.Request; q != nil {
		l.add(true, "%s asked for a %s rotation at %s", q.By, CauseOf(*q), timeText(q.At))
	}
	l.addTime("drift answered in the period from", r.DriftPeriod.Time())
	if f := r.Failure; f != nil {
		l.add(true, "failures: %d since %s, in %s, %s%s%s%s, next attempt at %s", f.Count, timeText(f.Since), f.Stage, f.Reason,
			textIf(f.Sink != "", " at "+f.Sink), textIf(len(f.Locations) > 0, ", of "+strings.Join(f.Locations, " and ")),
			textIf(f.ClaimedOtherID, ", after a value that claimed another id"), timeText(f.Next))
	}
	return l
}

// lostOr is what became of an orphan: it was lost, or came as a token and was refused.
func lostOr(refused string) string {
	if refused != "" {
		return "refused as " + refused
	}
	return "lost"
}

func textIf(said bool, text string) string {
	if said {
		return text
	}
	return ""
}

// rotationLines are a rotation under way, or the latest.
func rotationLines(role string, rot *Rotation) []string {
	if rot == nil {
		return nil
	}
	l, name := lines{role + " " + nameOf(rot.ID)}, detail+nameOf(rot.ID)
	var why, how lines
	why.add(true, "%s rotates because of %s", name, rot.Cause)
	why.add(rot.By != "", "asked for by %s", rot.By)
	why.addTime("meets what was due until", rot.MeetsThrough.Time())
	why.addTime("due", rot.DueAt.Time())
	why.addTime("answers drift from", rot.Period.Time())
	how.add(true, "%s goes by %s to %s", name, rot.Strategy, sinksOf(rot.Targets))
	how.add(rot.Grace > 0, "grace %s", durationText(rot.Grace))
	how.add(rot.Settle > 0, "settles for %s", durationText(rot.Settle))
	how.add(rot.Regrace, "graces begin anew")
	how.add(!rot.Verify, "not read back")
	how.add(rot.ClaimedOtherID, "claims another id")
	for _, f := range rot.Found {
		how.add(true, "found %s at %s", cmp.Or(string(f.Digest), "nothing"), f.Location)
	}
	how.add(rot.GivenUp, "given up")
	how.add(rot.GivenUpCount > 0, "values given up in a row: %d", rot.GivenUpCount)
	for _, t := range rot.Existing {
		how.add(true, "takes over %s", t.ID)
	}
	l.add(true, "%s", strings.Join(why, ", "))
	l.add(true, "%s", strings.Join(how, ", "))
	l.addTime(name+" is to expire", rot.Expires.Time())
	l.addTime(name+" was started", rot.Started.Time())
	l.addTime(name+" lost an answer", rot.LostAt.Time())
	l.addTime(name+" was minted", rot.MintedAt.Time())
	l.addTime(name+" was verified", rot.Finished.Time())
	l.add(len(rot.Sealed) > 0, "%s is kept as a value", name)
	return l
}

// tokenLines are a token that is served or was.
func tokenLines(role string, t *Token) []string {
	if t == nil {
		return nil
	}
	name := cmp.Or(t.ID, "token without an id")
	l, about := lines{role + " " + name}, detail+name
	l.add(t.RotationID == "", "%s is of no rotation", about)
	l.addTime(about+" was created", t.Created.Time())
	l.addTime(about+" expires", t.Expires.Time())
	for _, d := range t.ServedDigests {
		l.add(true, "%s was served as %s", about, d)
	}
	l.add(!t.Retire.IsZero(), "%s has a grace of %s until %s", about, durationText(t.Grace), timestampText(t.Retire))
	l.add(t.Compromised, "%s is compromised", about)
	l.add(t.Matched, "%s is foreign", about)
	return l
}

// statusLines are what people see of a slot, but for its names.
func statusLines(st Status) []string {
	if st.State == "" {
		return []string{"none"}
	}
	l := lines{string(st.State)}
	l.add(st.Manual, "no schedule")
	l.add(st.Note != "", "note: %s", st.Note)
	l.add(st.TokenID != "", "current %s", st.TokenID)
	l.addTime("expires", st.TokenExpires)
	l.addTime("last rotation", st.LastRotation)
	l.addTime("next rotation", st.NextRotation)
	l.add(st.Overdue, "overdue since %s", timeText(st.OverdueSince))
	l.addTime("asked for at", st.Requested)
	l.addTime("blackout since", st.BlackoutSince)
	l.add(st.Rotation != "", "rotation %s, %s, because of %s", nameOf(st.Rotation), st.Phase, st.Cause)
	l.add(st.ConsecutiveFailures > 0, "failures in a row: %d", st.ConsecutiveFailures)
	l.addTime("next attempt", st.NextAttempt)
	l.add(st.WaitsFor != "", "waits (%s)%s", st.WaitsFor, until(st.WaitsUntil))
	for _, t := range st.Sinks {
		l = append(l, targetText(t))
	}
	for _, t := range st.OldTokens {
		l.add(true, "retiring %s%s%s", t.TokenID, until(t.Retire), textIf(t.LeftToExpire, ", left to expire"))
	}
	return l
}

func targetText(t TargetStatus) string {
	l := lines{string(t.State) + textIf(!t.Since.IsZero(), " since "+timeText(t.Since))}
	l.add(t.Repair != "", "repaired %s", t.Repair)
	l.add(t.RotationID != "", "delivered %s at %s", nameOf(t.RotationID), timeText(t.Delivered))
	if !t.PendingSince.Equal(t.Since) {
		l.addTime("lacks the value since", t.PendingSince)
	}
	l.addTime("looked at", t.Checked)
	l.add(t.Error != "", "error: %s%s", t.Error, textIf(t.Failed, ", as the failure tells"))
	return l.oneLine(t.Sink)
}

func until(t time.Time) string { return textIf(!t.IsZero(), " until "+timeText(t)) }

func runLines(runs []Run) (l lines) {
	for _, r := range runs {
		l = append(l, fmt.Sprintf("%s %s of account %s, by %s%s", timeText(r.At), r.Slot, r.Account, r.Strategy,
			textIf(r.MoreFollow, ", and more follow")))
	}
	l.add(len(runs) == 0, "none")
	return l
}
