package slot

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

func newTranscript(file []string) *transcript {
	return &transcript{file: file, instance: "here", stale: map[string]bool{}, v: View{
		Record: &Record{Key: moq.Key{AccountID: "account", RelayID: "relay", Type: moq.PublishSubscribe}},
		Seen:   &Observation{}, Sinks: map[string]bool{}, Times: Times{Clock: Reading{Boot: "first boot", Elapsed: 100 * time.Hour}},
	}}
}

// commands are the lines that mean the same everywhere.
func (s *transcript) commands() []form {
	all := []form{
		{"given", func(*clause) { s.silent = true }},
		{"plan", s.plan},
		{"seen", func(*clause) { s.section = s.seenForms }},
		{"at TIME", func(c *clause) { s.moveTo(c.time(0)) }},
		{"after DURATION", func(c *clause) { s.moveTo(s.v.Now.Add(c.duration(0))) }},
	}
	return slices.Concat(all, s.worldForms(), s.changeForms(), s.questions(), s.recordQuestions())
}

// worldForms are what happens to the process and its configuration.
func (s *transcript) worldForms() []form {
	return []form{
		{"the wall clock is set to TIME", func(c *clause) { s.v.Now = c.time(0) }},
		{"Cloudflare's time is not known", func(*clause) { s.tellTheirs(time.Time{}) }},
		{"Cloudflare's time is TIME", func(c *clause) { s.tellTheirs(c.time(0)) }},
		{"Cloudflare told the time DURATION ago", func(c *clause) { s.sampled(c.duration(0)) }},
		{"the process restarts", func(*clause) { s.restart() }},
		{"the machine reboots", func(*clause) {
			s.v.Clock = Reading{s.v.Clock.Boot + " and another", time.Minute, s.v.Clock.Cloudflare}
			s.restart()
		}},
		{"another replica takes over", func(*clause) { s.takeOver() }},
		{"our clock agrees with the former leader's", func(*clause) { s.v.ClockAgrees = true }},
		{"the machine sleeps until TIME", func(c *clause) {
			s.moveTo(c.time(0))
			s.v.ActiveSince = s.v.Now
		}},
		{"a reload changes the schedule to TEXT", func(c *clause) { s.changeSchedule(c.words[0]) }},
		{"the slot leaves the configuration", func(*clause) { s.former, s.v.Plan = s.v.Plan, nil }},
		{"the instance is called NAME", func(c *clause) { s.instance = c.words[0] }},
		{"another slot has the place of NAME now", func(c *clause) {
			s.v.Taken = map[string]bool{s.target(c.words[0]).Location: true}
		}},
		{"the sink NAME leaves the configuration", func(c *clause) { delete(s.v.Sinks, c.words[0]) }},
	}
}

// questions are what is asked of a view.
func (s *transcript) questions() []form {
	return []form{
		{"decide", func(*clause) { s.decide() }},
		{"decide while the process stops", func(*clause) { s.decideWhileStopping() }},
		{"due", func(*clause) { s.print("%s", dueText(s.v.nextDue())) }},
		{"told", func(*clause) { s.printTold() }},
		{"record", func(*clause) { s.printAll(recordLines(s.v.Record)) }},
		{"status", func(*clause) { s.printAll(statusLines(s.v.Status())) }},
		{"forecast until TIME", func(c *clause) { s.printAll(runLines(s.v.Forecast(c.time(0)))) }},
		{"forecast of a new slot until TIME", func(c *clause) {
			s.printAll(runLines(FirstForecast(s.v.Plan, s.v.Now, c.time(0))))
		}},
		{"longest waits after NUMBER failures", func(c *clause) { s.printWaits(c) }},
		{"forecast is as long until TIME", func(c *clause) { s.printLength(s.v.Forecast(c.time(0))) }},
		{"the reload changes the slot", func(*clause) { s.print("%s", yesOrNo(!s.former.Same(s.v.Plan))) }},
		{"listed and accounted for", func(*clause) { s.print("%s", namesOf(s.v.Seen.Listing, s.v.Record.Owns)) }},
		{"listed and perhaps its own", func(*clause) { s.print("%s", namesOf(s.v.Seen.Listing, s.v.Record.MayOwn)) }},
	}
}

// recordQuestions are what is asked of a record.
func (s *transcript) recordQuestions() []form {
	r := s.v.Record
	return []form{
		{"at rest", func(*clause) { s.print("%s", yesOrNo(r.AtRest())) }},
		{"a delivery is pending", func(*clause) { s.print("%s", yesOrNo(r.DeliveryPending())) }},
		{"a token has a name", func(*clause) { s.print("%s", yesOrNo(r.HasTokenWithID())) }},
		{"latest rotation", func(*clause) { s.print("%s, %s", nameOf(r.PendingOrLatest().ID), r.PendingOrLatest().Phase) }},
		{"NAME was an attempt of its own", func(c *clause) { s.print("%s", yesOrNo(r.HasUsed(s.rotationID(c.words[0])))) }},
		{"latest rotation id", func(*clause) { s.print("%s", nameOf(r.LatestID())) }},
		{"last acknowledged", func(*clause) { s.print("%s", timeOr(r.LastRequiredReceipt(), "by nobody")) }},
		{"a rotation waits for a retirement", func(*clause) { s.print("%s", yesOrNo(s.v.WaitsForRetirement())) }},
	}
}

func (s *transcript) decide() {
	s.askForAction()
	s.print("%s", s.actionText(s.last))
}

// askForAction has the slot decided on. A wait that is over at once would be asked for again and again.
func (s *transcript) askForAction() {
	s.last = Decide(s.v)
	if w, ok := s.last.(Wait); ok && !w.Until.IsZero() && !w.Until.After(s.v.Now) {
		s.fatalf("the slot is to wait until %s, which is no wait", timeText(w.Until))
	}
}

func (s *transcript) decideWhileStopping() {
	s.askForAction()
	if Urgent(s.last) {
		s.print("%s", s.actionText(s.last))
	} else {
		s.print("nothing more; else: %s", s.actionText(s.last))
	}
}

// printTold prints what people were told of targets since it was asked for last.
func (s *transcript) printTold() {
	if len(s.told) == 0 {
		s.print("nothing")
	}
	s.printAll(s.told)
	s.told = nil
}

func (s *transcript) printAll(lines []string) {
	for _, l := range lines {
		s.print("%s", l)
	}
}

// printWaits prints the most that is waited after each of so many failures in a row, while nobody is locked out or
// in a blackout, as the record says.
func (s *transcript) printWaits(c *clause) {
	n := c.number(0)
	for i := 1; i <= n; i++ {
		s.print("%d: %s", i, durationText(s.v.Record.Backoff().Ceiling(i)))
	}
}

// printLength prints how long a forecast is, and its end.
func (s *transcript) printLength(runs []Run) {
	s.print("%d rotations, the last of which is", len(runs))
	s.printAll(runLines(runs[len(runs)-1:]))
}

// namesOf are the names of the listed tokens that are meant.
func namesOf(l *Listing, meant func(moq.Token) bool) string {
	var names []string
	for _, t := range l.Tokens {
		if meant(t) {
			names = append(names, t.ID)
		}
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
