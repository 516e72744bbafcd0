package slot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// actionText says an action in plain words.
func (s *transcript) actionText(a Action) string {
	switch a := a.(type) {
	case Wait:
		return waitText(a.Until)
	case Save:
		return "save the record"
	case Reserve:
		return "reserve a turn in the budget"
	case Inspect:
		return fmt.Sprintf("inspect %s (%s)", sinksOf(a.Targets), [...]string{"read", "probe", "trial"}[a.Depth])
	case List:
		return fmt.Sprintf("list the relay's tokens, in %s", a.Stage)
	case Prove:
		return "make sure that the account answers"
	case Fail:
		return fmt.Sprintf("fail in %s: %s", a.Stage, strings.ReplaceAll(errors.Join(a.Errs...).Error(), "\n", "; "))
	case EndFailure:
		return "end the failure"
	case Mint:
		return "mint because of " + dueText(a.Due)
	}
	return tokenActionText(a)
}

func tokenActionText(a Action) string {
	switch a := a.(type) {
	case Deliver:
		return "deliver to " + sinksOf(a.Targets) + textIf(a.ReadBefore, ", each read before")
	case Redirect:
		return "redirect to " + sinksOf(a.Targets)
	case GiveUp:
		return "give the value up: " + a.Err.Error()
	case Conclude:
		return "conclude"
	case DeliverOptional:
		return "deliver on the side to " + sinksOf(a.Targets)
	case Drop:
		return "drop the value"
	case TakeBack:
		return "take back what is further ahead than it can be"
	case DateFirstSight:
		return "date the first sight " + timeText(a.At)
	case AdoptSchedule:
		return "adopt the changed schedule"
	case BeginGrace:
		if a.Anew {
			return fmt.Sprintf("begin the grace of %s anew, until %s", a.Token.ID, timestampText(a.Token.Retire))
		}
		return fmt.Sprintf("begin the grace of %s, until %s", a.Token.ID, timestampText(a.Token.Retire))
	case Revoke:
		if a.Expired {
			return fmt.Sprintf("revoke %s, which expired", a.Token.ID)
		}
		return "revoke " + a.Token.ID
	case RevokeOrphan:
		return fmt.Sprintf("revoke the orphan %s", a.Token.ID)
	case AdoptOrphan:
		return fmt.Sprintf("adopt the orphan %s", a.Token.ID)
	case ForgetOrphan:
		return "forget the orphan " + nameOf(a.Orphan.RotationID)
	}
	return fmt.Sprintf("%T, which no transcript knows", a)
}

func waitText(until time.Time) string {
	switch {
	case until.IsZero():
		return "wait"
	case until.Equal(never()):
		return "wait until the targets are to be looked at"
	}
	return "wait until " + timeText(until)
}

func dueText(d Due) string {
	if d.Cause == "" {
		return "nothing"
	}
	l := []string{fmt.Sprintf("%s, since %s", d.Cause, timeText(d.At))}
	if !d.MeetsThrough.IsZero() {
		l = append(l, "meets what was due until "+timeText(d.MeetsThrough))
	}
	return strings.Join(l, ", ")
}

// timeText leaves out what is zero at the end of a time.
func timeText(t time.Time) string {
	layout := "2006-01-02 15:04:05.999999999"
	if t.Truncate(time.Minute).Equal(t) {
		layout = "2006-01-02 15:04"
	}
	return t.UTC().Format(layout)
}

func timestampText(t Timestamp) string { return timeText(t.Time()) }

func timeOr(t Timestamp, none string) string {
	if t.IsZero() {
		return none
	}
	return timestampText(t)
}

// durationText leaves out what is zero at the end of a duration.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// lines are what is said of something, one a line.
type lines []string

// add adds a line if there is something to say.
func (l *lines) add(said bool, format string, args ...any) {
	if said {
		*l = append(*l, fmt.Sprintf(format, args...))
	}
}

func (l *lines) addTime(what string, t time.Time) { l.add(!t.IsZero(), "%s %s", what, timeText(t)) }

// detail is before what is said of the line above.
const detail = "  "

// changes are what differs between two records. Of what goes, the details go without saying.
func changes(before, after []string) (out []string) {
	gone := false
	for _, l := range before {
		isDetail := strings.HasPrefix(l, detail)
		stays := slices.Contains(after, l)
		if !stays && !(isDetail && gone) {
			out = append(out, "- "+l)
		}
		gone = isDetail && gone || !isDetail && !stays
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			out = append(out, "+ "+l)
		}
	}
	return out
}

// oneLine joins a beginning and what there is to say of it.
func (l *lines) oneLine(begin string) string {
	if len(*l) == 0 {
		return begin
	}
	return begin + ": " + strings.Join(*l, ", ")
}
