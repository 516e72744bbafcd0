package faulttest

import (
	"os"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
)

const metricsPage = "../../docs/metrics.md" // from a package in internal

// CompareVerdicts fails the test where judge says of a reason something else than a column does, by its heading,
// of the table in docs/metrics.md that has a row for each: one word, or two with a slash between, for an error
// that may be repeated and for one that is Permanent.
func CompareVerdicts(t *testing.T, heading string, judge func(*fault.Error) string) {
	t.Helper()
	wanted := verdictsOf(t, heading)
	for _, r := range fault.Reasons() {
		retry, permanent := judge(&fault.Error{Class: fault.Retry, Reason: r}), judge(&fault.Error{Class: fault.Permanent, Reason: r})
		got := retry
		if permanent != retry {
			got += " / " + permanent
		}
		if want := wanted[r]; got != want {
			t.Errorf("%s, %s: is %q, and %q in docs/metrics.md", heading, r, got, want)
		}
	}
}

// verdictsOf reads a column of the first table of docs/metrics.md that has one of this heading.
func verdictsOf(t *testing.T, heading string) map[fault.Reason]string {
	t.Helper()
	text, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	column, verdicts := -1, map[fault.Reason]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
			if column < 0 && cells[i] == heading {
				column = i
			}
		}
		switch {
		case column >= 0 && len(cells) <= column:
			return verdicts
		case column >= 0:
			verdicts[fault.Reason(strings.Trim(cells[0], "`"))] = cells[column]
		}
	}
	return verdicts
}
