package web

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func get(t *testing.T, d Daemon, target string) string {
	t.Helper()
	w := ask(New(options(d)).adminHandler(), "GET", target, "")
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

// order returns the slots that a page lists, in its order.
func order(page string) string {
	var names []string
	for _, m := range regexp.MustCompile(`href="/slots/([^/]+)/`).FindAllStringSubmatch(page, -1) {
		names = append(names, m[1])
	}
	return strings.Join(names, " ")
}

func variety() *fakeDaemon {
	failing := slotStatus("failing", slot.StateFailing)
	failing.ConsecutiveFailures, failing.NextAttempt = 3, now.Add(90*time.Second)
	failing.Failure = &slot.Failure{Count: 3, Since: now.Add(-time.Hour), Stage: slot.StageDeliver,
		Reason: "server_error", Sink: "vault", Message: "503 Vault is sealed"}
	dark := slotStatus("dark", slot.StateBlackout)
	dark.Strategy, dark.BlackoutSince = moq.InPlace, now.Add(-41*time.Second)
	overdue := slotStatus("overdue", slot.StateIdle)
	overdue.Overdue, overdue.NextRotation, overdue.OverdueSince = true, now.Add(-5*time.Minute), now.Add(-5*time.Minute)
	return &fakeDaemon{slots: []slot.Status{
		slotStatus("a", slot.StateGrace), slotStatus("b", slot.StateIdle), dark, failing, slotStatus("minting", slot.StateMinting), overdue,
	}}
}

func TestTheOverviewPutsWhatNeedsAPersonFirst(t *testing.T) {
	page := get(t, variety(), "/")
	if got := order(page); got != "dark failing overdue minting a b" {
		t.Errorf("order is %s", got)
	}
	for _, want := range []string{
		"1 slot is in blackout", "the old token died", "41 s ago", // the blackout, loudly
		"503 Vault is sealed", "server error", "deliver at vault", "next attempt", "in 1 min", // the failure
		`title="Mon 2026-11-23 13:00:00 UTC">in 1 h<`, // relative, exact in the title
		"overdue: ", "5 min ago",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
}

// The failure's message tells the error of the target that it is of, and of no other.
func TestTheOverviewTellsATargetsErrorWhereTheFailureDoesNot(t *testing.T) {
	failing := variety().slots[3]
	failing.Sinks = []slot.TargetStatus{
		{Sink: "vault", Target: "moq", State: slot.TargetUnusable, Error: "its own words", Failed: true},
		{Sink: "disk", Target: "/moq", State: slot.TargetUnusable, Error: "permission denied"},
	}
	page := get(t, &fakeDaemon{slots: []slot.Status{failing}}, "/")
	if !strings.Contains(page, "(optional): permission denied</p>") || strings.Contains(page, "its own words</p>") {
		t.Errorf("%s", page)
	}
}

func TestTheOverviewFilters(t *testing.T) {
	for target, want := range map[string]string{
		"/?state=failing": "failing", "/?state=blackout": "dark", "/?state=overdue": "overdue", "/?state=grace": "a",
		"/?q=MINT": "minting", "/?q=team%3Dvideo&state=idle": "overdue b", "/?q=nobody": "", "/?state=nonsense": "",
		"/?q=in_place": "dark", "/?q=disk&state=failing": "failing", "/?page=77": "dark failing overdue minting a b",
		"/?page=-1": "dark failing overdue minting a b", "/?page=x": "dark failing overdue minting a b",
	} {
		if got := order(get(t, variety(), target)); got != want {
			t.Errorf("%s shows %q, want %q", target, got, want)
		}
	}
}

func TestTheOverviewPagesSoThatItNeverGrowsWithoutBound(t *testing.T) {
	d := &fakeDaemon{}
	for i := range 250 {
		d.slots = append(d.slots, slotStatus(fmt.Sprintf("r%03d", i), slot.StateIdle))
	}
	for target, want := range map[string]struct{ rows, has, hasNot string }{
		"/":              {"100", "page=2", "previous"},
		"/?page=2&q=r":   {"100", "/?page=3&amp;q=r", "xxx"},
		"/?page=3":       {"50", "previous", "next →"},
		"/?q=r00&page=1": {"10", "1–10 of 10", "next →"},
	} {
		page := get(t, d, target)
		if n := fmt.Sprint(len(strings.Fields(order(page)))); n != want.rows {
			t.Errorf("%s has %s rows, want %s", target, n, want.rows)
		}
		if !strings.Contains(page, want.has) || strings.Contains(page, want.hasNot) {
			t.Errorf("%s: want %q and not %q", target, want.has, want.hasNot)
		}
	}
}

func TestASlotsPageShowsItAllWithItsHistory(t *testing.T) {
	d := variety()
	d.slots[3].Rotation, d.slots[3].Phase = "0123", slot.Minted
	d.slots[3].OldTokens = []slot.TokenStatus{{TokenID: "0ld", Retire: now.Add(2 * time.Hour)}, {TokenID: "0lder", LeftToExpire: true}}
	d.events = []slot.Event{
		{At: now.Add(-time.Hour), Kind: slot.EventRotated, Took: 812 * time.Millisecond, By: "uid 0 (root)", TokenID: "t0ken"},
		{At: now.Add(-2 * time.Hour), Kind: slot.EventFailed, Stage: slot.StageMint, Detail: "code 21006"},
	}
	page := get(t, d, "/slots/failing/subscribe")
	for _, want := range []string{
		"503 Vault is sealed", "team=video", "/t/failing", "0ld", "in 2 h", "left to expire", "812 ms", "uid 0 (root)",
		"t0ken", "code 21006", `aria-current="step">2. deliver`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	d.err = errors.New("the journal is locked")
	if page := get(t, d, "/slots/failing/subscribe"); !strings.Contains(page, "the journal is locked") {
		t.Error("a history that cannot be read goes unsaid")
	}
}

func TestPagesOfAnEmptyFleet(t *testing.T) {
	if page := get(t, &fakeDaemon{}, "/"); !strings.Contains(page, "No slots are configured yet") {
		t.Error("the empty fleet is not explained")
	}
}

// hostile is text that would be markup, script or an attribute if it were not escaped.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`

func TestNothingThatComesFromElsewhereBecomesMarkup(t *testing.T) {
	s := slotStatus("live", slot.StateFailing)
	s.Slot, s.Account, s.RelayID, s.TokenID, s.Note, s.Cause = hostile, hostile, hostile, hostile, hostile, slot.Cause(hostile)
	s.State, s.Strategy, s.Rotation = slot.State(hostile), moq.Strategy(hostile), hostile
	s.Labels, s.Operations = map[string]string{hostile: hostile}, []string{hostile}
	s.Sinks = []slot.TargetStatus{{Sink: hostile, Target: hostile, State: hostile, Error: hostile, RotationID: hostile}}
	s.OldTokens = []slot.TokenStatus{{TokenID: hostile, RotationID: hostile}}
	s.Failure = &slot.Failure{Stage: slot.Stage(hostile), Reason: hostile, Sink: hostile, Message: hostile}
	d := &fakeDaemon{slots: []slot.Status{s}, ready: errors.New(hostile), events: []slot.Event{{
		Kind: slot.EventKind(hostile), Cause: slot.Cause(hostile), By: hostile, Stage: slot.Stage(hostile), Detail: hostile,
		RotationID: hostile, TokenID: hostile,
	}}}
	o := options(d)
	o.Version, o.Instance = hostile, hostile
	h := New(o).adminHandler()
	for _, target := range []string{
		"/", "/slots/live/subscribe", "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&state=%22%3E%3Cscript%3Ealert(1)",
		"/slots/%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E/x",
	} {
		page := ask(h, "GET", target, "").Body.String()
		if !strings.Contains(page, "alert(1)") {
			t.Fatalf("%s: the hostile text is not on the page, so this shows nothing", target)
		}
		if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img src=x") || strings.Contains(page, `""><`) {
			t.Errorf("%s: hostile text became markup", target)
		}
	}
	w := ask(h, "GET", "/%3Cscript%3Ealert(1)%3C/script%3E", "")
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
		t.Errorf("an error page that repeats the path is %s", got)
	}
}

func TestThePolicyAllowsExactlyTheInlineStyleAndScript(t *testing.T) {
	w := ask(New(options(newDaemon())).adminHandler(), "GET", "/", "")
	csp, page := w.Header().Get("Content-Security-Policy"), w.Body.String()
	for _, tag := range []string{"style", "script"} {
		found := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		if len(found) != 1 || !strings.Contains(csp, tag+"-src "+cspHash(found[0][1])) {
			t.Errorf("%d inline %ss; the policy %q has not its hash", len(found), tag, csp)
		}
	}
	if strings.Contains(page, ` style="`) || regexp.MustCompile(` on[a-z]+="`).MatchString(page) {
		t.Error("an inline style attribute or handler, which the policy blocks")
	}
	if m := regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*"`).FindString(page); m != "" {
		t.Errorf("something from elsewhere: %s", m)
	}
}

func TestAMomentIsRelativeAndExact(t *testing.T) {
	if m, want := momentAt(now.Add(-2*time.Hour), now), (moment{"2 h ago", "Mon 2026-11-23 10:00:00 UTC", "2026-11-23T10:00:00Z", "10:00:00 UTC"}); m != want {
		t.Errorf("%+v, want %+v", m, want)
	}
	if m := momentAt(time.Time{}, now); m != (moment{}) {
		t.Errorf("no time is %+v", m)
	}
}

// As `rotatord status` does.
func TestASlotWithoutAScheduleHasANextRunWhileOneIsDue(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*slot.Status)
		want   string
	}{
		"nothing is due":        {func(*slot.Status) {}, "manual"},
		"its first run is due":  {func(s *slot.Status) { s.NextRotation = now.Add(-time.Second) }, "due <time"},
		"its token has expired": {func(s *slot.Status) { s.Overdue, s.OverdueSince = true, now.Add(-time.Hour) }, "overdue: <time"},
	} {
		s := slotStatus("live", slot.StateIdle)
		s.Manual, s.NextRotation = true, time.Time{}
		c.change(&s)
		for _, target := range []string{"/", "/slots/live/subscribe"} {
			page := get(t, &fakeDaemon{slots: []slot.Status{s}}, target)
			if !strings.Contains(page, c.want) || c.want != "manual" && strings.Contains(page, ">manual<") {
				t.Errorf("%s: %s does not say %q of the next run:\n%s", name, target, c.want, page)
			}
		}
	}
}

// What has happened before a clock was set back lies ahead of it.
func TestWhatHasHappenedIsNeverAheadThoughTheClockWasSetBack(t *testing.T) {
	d, ahead := variety(), now.Add(59*time.Minute)
	s := &d.slots[2]
	s.TokenCreated, s.LastRotation, s.BlackoutSince = ahead, ahead, ahead
	s.NextRotation, s.TokenExpires = time.Time{}, time.Time{}
	s.Failure = &slot.Failure{Count: 1, Since: ahead, Stage: slot.StageDeliver}
	s.Sinks[0].State, s.Sinks[0].Since, s.Sinks[0].Delivered, s.Sinks[0].Checked = slot.TargetMissing, ahead, ahead, ahead
	s.OldTokens = []slot.TokenStatus{{TokenID: "0ld", Created: ahead}}
	d.slots = d.slots[2:3]
	d.events = []slot.Event{{At: ahead, Kind: slot.EventRotated}}
	for _, target := range []string{"/", "/slots/dark/subscribe"} {
		page := get(t, d, target)
		if strings.Contains(page, "in 59 min") || !strings.Contains(page, `title="Mon 2026-11-23 12:59:00 UTC">now<`) {
			t.Errorf("%s shows what has happened as if it were to come:\n%s", target, page)
		}
	}
}

func BenchmarkOverview100kSlots(b *testing.B) {
	d := &bigDaemon{fakeDaemon: &fakeDaemon{}}
	for i := range 100_000 {
		d.slots = append(d.slots, slotStatus(fmt.Sprintf("r%06d", i), slot.StateIdle))
	}
	h := New(options(d)).adminHandler()
	b.ReportAllocs()
	for b.Loop() {
		ask(h, "GET", "/?q=r0", "")
	}
}

// bigDaemon finds a slot without a search.
type bigDaemon struct{ *fakeDaemon }

func (d *bigDaemon) StatusOf(string, string) (slot.Status, bool) { return d.slots[0], true }
