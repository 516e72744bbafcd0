package scheduler

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const allHours = 1<<24 - 1

// Parse reads a schedule: a cron expression of 5 fields, or 6 with the seconds
// first, a descriptor (@hourly, @daily, @midnight, @weekly, @monthly, @yearly,
// @annually), or "@every d" with d whole seconds. Fields are read in loc; nil
// means UTC. An error says what is wrong and what to write instead. It never panics.
func Parse(expr string, loc *time.Location) (*Schedule, error) {
	if loc == nil {
		loc = time.UTC
	}
	if single := strings.Join(strings.Fields(expr), " "); single != expr {
		expr = single // else the caller's own words do, without a copy
	}
	s, err := parseAny(expr)
	if err != nil {
		return nil, err
	}
	s.expr, s.loc = expr, loc
	return s, nil
}

func parseAny(expr string) (*Schedule, error) {
	switch {
	case expr == "":
		return nil, errors.New(`the schedule is empty: give a cron expression such as "0 4 * * 1", or manual`)
	case strings.HasPrefix(expr, "TZ="), strings.HasPrefix(expr, "CRON_TZ="):
		return nil, fmt.Errorf("schedule %q: a time zone does not belong in the expression: use timezone:", expr)
	case expr == "@every" || strings.HasPrefix(expr, "@every "):
		return parseEvery(expr)
	case strings.HasPrefix(expr, "@"):
		return parseDescriptor(expr)
	}
	return parseFields(expr)
}

func parseEvery(expr string) (*Schedule, error) {
	text := strings.TrimSpace(strings.TrimPrefix(expr, "@every"))
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("schedule %q: %q is not a duration: write it like 90s, 30m or 12h (a day is 24h)", expr, text)
	case d < time.Second:
		return nil, fmt.Errorf("schedule %q: the interval must be at least 1s", expr)
	case d%time.Second != 0:
		return nil, fmt.Errorf("schedule %q: the interval must be whole seconds, such as %s", expr, d.Round(time.Second))
	}
	return &Schedule{every: int64(d / time.Second)}, nil
}

func parseDescriptor(expr string) (*Schedule, error) {
	if expr == "@reboot" {
		return nil, errors.New(`schedule "@reboot" is not supported: a restart rotates nothing by itself; ` +
			`missed runs are caught up (catch_up) and "initial: now" rotates a slot that has never rotated`)
	}
	return fromCron(expr, cron.NewParser(cron.Descriptor), "known are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually and @every 12h")
}

func parseFields(expr string) (*Schedule, error) {
	fields := strings.Fields(expr)
	if len(fields) != 5 && len(fields) != 6 {
		return nil, fmt.Errorf("schedule %q has %d fields: give 5 (minute hour day-of-month month day-of-week) or 6 (seconds first)", expr, len(fields))
	}
	kinds := fieldKinds[len(fieldKinds)-len(fields):]
	for i, text := range fields {
		if err := kinds[i].checkField(text); err != nil {
			return nil, fmt.Errorf("schedule %q: %w", expr, err)
		}
	}
	parser := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	return fromCron(expr, parser, `an example is "0 4 * * 1": Mondays at 04:00`)
}

// fromCron lets the library read what has been checked, and refuses what never comes.
func fromCron(expr string, parser cron.Parser, hint string) (*Schedule, error) {
	parsed, err := parser.Parse(expr)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w: %s", expr, err, hint)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("schedule %q cannot be used: %s", expr, hint)
	}
	// The library works on fields of local time only; instants are ours to find.
	spec.Location = time.UTC
	s := &Schedule{spec: *spec, everyHour: spec.Hour&allHours == allHours}
	if s.nextLocal(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("schedule %q never happens: no month it names has such a day", expr)
	}
	return s, nil
}

// fieldKind is what may stand in one field.
type fieldKind struct {
	name     string
	min, max int
	names    string // names of the values, three letters each, from min on
}

var fieldKinds = []fieldKind{
	{"second", 0, 59, ""},
	{"minute", 0, 59, ""},
	{"hour", 0, 23, ""},
	{"day of month", 1, 31, ""},
	{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
	{"day of week", 0, 6, "sunmontuewedthufrisat"},
}

var itemPattern = regexp.MustCompile(`^(?:[*?]|([0-9]{1,2}|[A-Za-z]{3})(-([0-9]{1,2}|[A-Za-z]{3}))?)(?:/([0-9]{1,9}))?$`)

// checkField refuses what the library would take for something else than it says:
// empty items, open ranges, steps that never step.
func (k fieldKind) checkField(text string) error {
	for item := range strings.SplitSeq(text, ",") {
		if err := k.checkItem(item); err != nil {
			return fmt.Errorf("%s %q: %w", k.name, text, err)
		}
	}
	return nil
}

func (k fieldKind) checkItem(item string) error {
	switch n, err := strconv.ParseUint(item, 10, 7); { // what nearly all are takes no pattern
	case item == "*", err == nil && len(item) <= 2 && k.allows(int(n)):
		return nil
	}
	m := itemPattern.FindStringSubmatch(item)
	if m == nil {
		return fmt.Errorf("%q is not understood: write *, a value, a range a-b, a step */n or a list of those joined by commas", item)
	}
	low, high, err := k.rangeOf(m[1], m[3], m[4] != "")
	if err != nil {
		return err
	}
	if low > high {
		return fmt.Errorf("the range %q runs backwards: write it as two, such as %d-%d,%d-%d", item, low, k.max, k.min, high)
	}
	return checkStep(m[4], low, high)
}

// rangeOf returns the first and the last value of an item.
func (k fieldKind) rangeOf(first, last string, stepped bool) (low, high int, err error) {
	if first == "" {
		return k.min, k.max, nil
	}
	if low, err = k.parseValue(first); err != nil {
		return 0, 0, err
	}
	switch {
	case last != "":
		high, err = k.parseValue(last)
	case stepped:
		high = k.max // a/n runs to the end
	default:
		high = low
	}
	return low, high, err
}

func checkStep(text string, low, high int) error {
	if text == "" {
		return nil
	}
	switch step, _ := strconv.Atoi(text); {
	case step == 0:
		return errors.New("the step must be at least 1")
	case step > 1 && step > high-low:
		return fmt.Errorf("the step %d is larger than the range %d-%d, so only %d would ever match: write %d if that is meant",
			step, low, high, low, low)
	}
	return nil
}

func (k fieldKind) allows(n int) bool { return k.min <= n && n <= k.max }

func (k fieldKind) parseValue(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		i := strings.Index(k.names, strings.ToLower(text))
		if i < 0 || i%3 != 0 {
			return 0, fmt.Errorf("%q is not a %s", text, k.name)
		}
		n = k.min + i/3
	}
	if n == 7 && k.name == "day of week" {
		return 0, errors.New("7 is not a day of the week here: use 0 for Sunday (Friday to Sunday is 0,5-6)")
	}
	if !k.allows(n) {
		return 0, fmt.Errorf("%d is out of range: a %s is %d to %d", n, k.name, k.min, k.max)
	}
	return n, nil
}
