package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/timefmt"
)

// slotHistory is how many events a slot's page shows.
const slotHistory = 50

// row is one slot as the pages show it.
type row struct {
	Slot, Relay, Type string
	Link              string
	State             string
	Strategy          string
	Account           string
	Manual            bool
	Overdue           bool
	AnyUnhealthy      bool   // a required target is unhealthy
	Unhealthy         []sink // targets, required or not
	Passed            bool   // what Next tells, a run or, of an overdue slot, perhaps its token's end, lies in the past
	Blackout          moment
	Age               moment
	Next              moment
	Expires           moment
	Attempt           moment
	Failure           *failure
	Sinks             []sink
	Note              string
	Labels            []string
}

// failure is the present run of failures.
type failure struct {
	Stage, Reason, Sink, Message string
	Count                        int
	Since                        moment
}

// sink is one target's state.
type sink struct {
	Name, Target, State, Error, RotationID string
	Repair                                 string
	Class, Sign                            string
	Required                               bool
	Since, Delivered, Checked              moment
}

func newRow(st *slot.Status, now time.Time) row {
	r := row{
		Slot: st.Slot, Relay: st.Relay, Type: string(st.Type), Link: slotLink(st.Relay, string(st.Type)),
		State: string(st.State), Strategy: string(st.Strategy), Account: st.Account,
		Manual: st.Manual, Overdue: st.Overdue, AnyUnhealthy: st.UnhealthyTargets() > 0, Passed: dueAt(st).Before(now), Blackout: pastAt(st.BlackoutSince, now),
		Age: ageOf(st, now), Next: momentAt(dueAt(st), now), Expires: momentAt(st.TokenExpires, now), Attempt: momentAt(st.NextAttempt, now),
		Failure: newFailure(st.Failure, now), Note: st.Note, Labels: labelList(st.Labels),
	}
	for _, t := range st.Sinks {
		shown := newSink(t, now)
		r.Sinks = append(r.Sinks, shown)
		if t.State.IsUnhealthy() {
			shown.Error = t.ErrorBeside()
			r.Unhealthy = append(r.Unhealthy, shown)
		}
	}
	return r
}

// dueAt is when the next run is due; of a slot that is overdue, when the run or the token's end was.
func dueAt(st *slot.Status) time.Time {
	if st.Overdue {
		return st.OverdueSince
	}
	return st.NextRotation
}

func slotLink(relay, typ string) string {
	return "/slots/" + url.PathEscape(relay) + "/" + url.PathEscape(typ)
}

// ageOf is since when the served token exists, by Cloudflare's word; under in_place, by our clock at the mint.
func ageOf(st *slot.Status, now time.Time) moment {
	since := st.TokenCreated
	if since.IsZero() {
		since = st.LastRotation
	}
	m := pastAt(since, now)
	m.Relative = strings.TrimSuffix(m.Relative, " ago")
	return m
}

func labelList(m map[string]string) []string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+"="+m[k])
	}
	return list
}

func newFailure(f *slot.Failure, now time.Time) *failure {
	if f == nil {
		return nil
	}
	return &failure{
		Stage: string(f.Stage), Reason: strings.ReplaceAll(f.Reason, "_", " "), Sink: f.Sink,
		Message: f.Message, Count: f.Count, Since: pastAt(f.Since, now),
	}
}

func newSink(t slot.TargetStatus, now time.Time) sink {
	class, sign := signOf(t.State)
	return sink{
		Name: t.Sink, Target: t.Target, State: string(t.State), Error: t.Error, RotationID: t.RotationID, Class: class, Sign: sign,
		Repair: t.Repair, Required: t.Required, Since: pastAt(t.Since, now), Delivered: pastAt(t.Delivered, now), Checked: pastAt(t.Checked, now),
	}
}

// signOf returns the colour of a target's state, and a sign for those who see no colours.
func signOf(state slot.TargetState) (class, sign string) {
	switch {
	case state == slot.TargetOK:
		return "good", "✓"
	case state == slot.TargetPending:
		return "busy", "○"
	case state.IsUnhealthy():
		return "bad", "!"
	}
	return "dull", "–"
}

// detail is a slot page's body.
type detail struct {
	row
	RelayID, TokenID    string
	Operations          string
	Rotation, Cause     string
	Rotated             moment
	Phases              []phaseShown
	Old                 []oldToken
	History             []event
	HistoryError        string
	HistoryMayGoFurther bool
}

// phaseShown is one phase of the rotation under way.
type phaseShown struct{ Name, Class string }

type oldToken struct {
	ID, RotationID           string
	Created, Expires, Retire moment
	Released                 bool
}

type event struct {
	At                               moment
	What, Class, Cause, By, Took     string
	Stage, Detail, RotationID, Token string
}

func (s *Server) slotPage(w http.ResponseWriter, r *http.Request) {
	relay, typ := r.PathValue("relay"), r.PathValue("type")
	st, ok := s.Daemon.StatusOf(relay, typ)
	if !ok {
		s.render(w, r, http.StatusNotFound, "missing.html", "no such slot", noSlot(relay, typ))
		return
	}
	d := newDetail(&st, s.Now())
	s.addHistory(r, &d, relay, typ)
	s.render(w, r, http.StatusOK, "slot.html", st.Slot, d)
}

func newDetail(st *slot.Status, now time.Time) detail {
	d := detail{
		row: newRow(st, now), RelayID: st.RelayID, TokenID: st.TokenID, Rotation: st.Rotation, Cause: inWords(string(st.Cause)),
		Rotated: pastAt(st.LastRotation, now), Phases: phasesOf(st), Operations: strings.Join(st.Operations, ", "),
	}
	for _, t := range st.OldTokens {
		d.Old = append(d.Old, oldToken{
			ID: t.TokenID, RotationID: t.RotationID, Created: pastAt(t.Created, now), Expires: momentAt(t.Expires, now),
			Retire: momentAt(t.Retire, now), Released: t.LeftToExpire,
		})
	}
	return d
}

func (s *Server) addHistory(r *http.Request, d *detail, relay, typ string) {
	events, err := s.Daemon.History(r.Context(), relay, typ, slotHistory)
	if err != nil {
		d.HistoryError = err.Error()
		s.Log.Warn("the history of a slot cannot be read", zap.String("slot", d.Slot), zap.Error(err))
	}
	now := s.Now()
	for _, e := range events {
		d.History = append(d.History, newEvent(e, now))
	}
	d.HistoryMayGoFurther = len(events) == slotHistory
}

func newEvent(e slot.Event, now time.Time) event {
	return event{
		At: pastAt(e.At, now), What: inWords(string(e.Kind)), Class: eventClass(e.Kind), Cause: inWords(string(e.Cause)),
		By: e.By, Took: timefmt.Took(e.Took), Stage: string(e.Stage), Detail: e.Detail, RotationID: e.RotationID, Token: e.TokenID,
	}
}

func eventClass(w slot.EventKind) string {
	switch w {
	case slot.EventRotated:
		return "good"
	case slot.EventFailed, slot.EventDrifted:
		return "bad"
	case slot.EventRequested, slot.EventSuperseded:
		return "busy"
	}
	return "dull"
}

func inWords(s string) string { return strings.ReplaceAll(s, "_", " ") }

// phasesOf shows how far the rotation under way has come; nil without one.
func phasesOf(st *slot.Status) []phaseShown {
	if st.Rotation == "" {
		return nil
	}
	phases := []slot.Phase{slot.Intended, slot.Minted, slot.Verified}
	now := slices.Index(phases, st.Phase)
	names := []string{"mint", "deliver and verify", "wait out the grace"}
	if st.Strategy == moq.InPlace {
		names = names[:2] // the old token is dead already
	}
	var list []phaseShown
	for i, name := range names {
		list = append(list, phaseShown{Name: fmt.Sprintf("%d. %s", i+1, name), Class: phaseClass(i, now)})
	}
	return list
}

func phaseClass(i, now int) string {
	switch {
	case i < now:
		return "done"
	case i == now:
		return "current"
	}
	return "ahead"
}
