package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/internal/slot"
)

const slotsPerPage = 100

// filter is what the overview's address asks for.
type filter struct {
	State string // a slot.State, or one of the conditions below; "" for all
	Query string
	Page  int // from 1
}

// Conditions that a filter knows beside the states.
const (
	isOverdue    = "overdue"
	hasUnhealthy = "unhealthy" // a required target is
)

func filterOf(q url.Values) filter {
	n, err := strconv.Atoi(q.Get("page"))
	if err != nil {
		n = 1
	}
	return filter{State: q.Get("state"), Query: strings.TrimSpace(q.Get("q")), Page: max(n, 1)}
}

func (f filter) matchesSlot(st *slot.Status) bool {
	return isIn(st, f.State) && (f.Query == "" || hasText(st, strings.ToLower(f.Query)))
}

// isIn reports whether a slot is in a state or condition.
func isIn(st *slot.Status, state string) bool {
	switch state {
	case "":
		return true
	case isOverdue:
		return st.Overdue
	case hasUnhealthy:
		return st.UnhealthyTargets() > 0
	}
	return string(st.State) == state
}

// hasText reports whether lower-case text is in what names a slot.
func hasText(st *slot.Status, text string) bool {
	hit := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	if hit(st.Slot) || hit(st.Account) || hit(st.RelayID) || hit(string(st.Strategy)) {
		return true
	}
	for k, v := range st.Labels {
		if hit(k + "=" + v) {
			return true
		}
	}
	return slices.ContainsFunc(st.Sinks, func(t slot.TargetStatus) bool { return hit(t.Sink) })
}

// linkTo is the overview's address with f.
func (f filter) linkTo() string {
	q := url.Values{}
	if f.State != "" {
		q.Set("state", f.State)
	}
	if f.Query != "" {
		q.Set("q", f.Query)
	}
	if f.Page > 1 {
		q.Set("page", strconv.Itoa(f.Page))
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// survey is one pass over all slots: how many are in what state, and which
// ones the filter wants, worst first.
type survey struct {
	total  int
	counts map[string]int
	found  []found
}

// found is as little of a slot as its place in the list needs.
type found struct {
	relay, typ string
}

func (s *Server) surveySlots(f filter) survey {
	sv := survey{counts: map[string]int{}}
	var ranks [lastRank + 1][]found // each is in the order of the slots
	s.Daemon.Statuses(func(st *slot.Status) bool {
		sv.countSlot(st)
		if f.matchesSlot(st) {
			r := rankOf(st)
			ranks[r] = append(ranks[r], found{st.Relay, string(st.Type)})
		}
		return true
	})
	sv.found = slices.Concat(ranks[:]...)
	return sv
}

func (sv *survey) countSlot(st *slot.Status) {
	sv.total++
	sv.counts[string(st.State)]++
	for _, condition := range []string{isOverdue, hasUnhealthy} {
		if isIn(st, condition) {
			sv.counts[condition]++
		}
	}
}

const lastRank = 5

// rankOf puts what needs a person first, then what moves, then the rest.
func rankOf(st *slot.Status) int {
	switch {
	case st.State == slot.StateBlackout:
		return 0
	case st.State == slot.StateFailing:
		return 1
	case st.Overdue:
		return 2
	case st.UnhealthyTargets() > 0:
		return 3
	case st.State == slot.StateMinting || st.State == slot.StateSettling || st.State == slot.StateDelivering:
		return 4
	}
	return lastRank
}

// overview is the status page's body.
type overview struct {
	Tiles     []tile
	Bars      []bar
	Total     int
	Found     int
	Blackouts int
	Filter    filter
	Clear     string // address without a filter; "" when there is none
	Rows      []row
	First     int // number of the first row shown
	Last      int
	Newer     string // addresses of the neighbouring pages; "" for none
	Older     string
}

// tile is a count that leads to the slots it counts.
type tile struct {
	Label, Class, Link string
	N                  int
	Chosen             bool
}

// bar is a state's share of all slots, in thousandths of the width.
type bar struct {
	Class    string
	At, Wide int
}

func (s *Server) overviewPage(w http.ResponseWriter, r *http.Request) {
	done, err := s.scans.Enter(r.Context())
	if err != nil {
		return
	}
	f := filterOf(r.URL.Query())
	sv := s.surveySlots(f)
	done()
	s.render(w, r, http.StatusOK, "overview.html", "", s.newOverview(f, sv))
}

func (s *Server) newOverview(f filter, sv survey) overview {
	pages := max(1, (len(sv.found)+slotsPerPage-1)/slotsPerPage)
	f.Page = min(f.Page, pages)
	from := (f.Page - 1) * slotsPerPage
	to := min(from+slotsPerPage, len(sv.found))
	o := overview{
		Tiles: stateTiles(f, sv), Bars: stateBars(sv), Total: sv.total, Found: len(sv.found),
		Blackouts: sv.counts[string(slot.StateBlackout)], Filter: f, Rows: s.rowsOf(sv.found[from:to]), First: from + 1, Last: to,
	}
	if f.State != "" || f.Query != "" {
		o.Clear = filter{}.linkTo()
	}
	if f.Page > 1 {
		o.Newer = filter{f.State, f.Query, f.Page - 1}.linkTo()
	}
	if f.Page < pages {
		o.Older = filter{f.State, f.Query, f.Page + 1}.linkTo()
	}
	return o
}

// rowsOf looks the slots of one page up; one that has gone meanwhile is left out.
func (s *Server) rowsOf(list []found) []row {
	now := s.Now()
	rows := make([]row, 0, len(list))
	for _, f := range list {
		if st, ok := s.Daemon.StatusOf(f.relay, f.typ); ok {
			rows = append(rows, newRow(&st, now))
		}
	}
	return rows
}

// shownStates are the states in the order of the tiles, worst first.
func shownStates() []string {
	return []string{
		string(slot.StateBlackout), string(slot.StateFailing), isOverdue, hasUnhealthy, string(slot.StateMinting),
		string(slot.StateSettling), string(slot.StateDelivering), string(slot.StateGrace), string(slot.StateIdle),
	}
}

func stateTiles(f filter, sv survey) []tile {
	list := []tile{{Label: "all slots", Class: "all", Link: filter{Query: f.Query}.linkTo(), N: sv.total, Chosen: f.State == ""}}
	for _, state := range shownStates() {
		list = append(list, tile{
			Label: state, Class: state, Link: filter{State: state, Query: f.Query}.linkTo(),
			N: sv.counts[state], Chosen: f.State == state,
		})
	}
	return list
}

const barWidth = 1000

func stateBars(sv survey) []bar {
	var list []bar
	before := 0
	for _, state := range shownStates() {
		n := sv.counts[state]
		if n == 0 || state == isOverdue || state == hasUnhealthy { // conditions, no states: they would count twice
			continue
		}
		left, right := before*barWidth/sv.total, (before+n)*barWidth/sv.total
		list = append(list, bar{Class: state, At: left, Wide: max(right-left, 4)})
		before += n
	}
	return list
}
