package deploy

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

func TestTheDashboardNamesEachAlertAndNoneThatIsNot(t *testing.T) {
	known := map[string]bool{} // names, and the anchors of their sections
	sections := runbookSections(t)
	for _, a := range harness.ReadRules(t, rulesFile).Alerts() {
		known[a.Alert] = true
		known["#"+strings.ToLower(a.Alert)] = sections[a.Alert] != ""
	}
	named := regexp.MustCompile(`\bMoQ[A-Z]\w+`).FindAllString(read(t, board), -1)
	for _, link := range regexp.MustCompile(`runbooks\.md(#[^"]+)`).FindAllStringSubmatch(read(t, board), -1) {
		named = append(named, link[1])
	}
	for _, a := range harness.ReadRules(t, rulesFile).Alerts() {
		if !slices.Contains(named, "#"+strings.ToLower(a.Alert)) {
			t.Errorf("no panel of %s links the runbook of %s", board, a.Alert)
		}
	}
	for _, name := range named {
		if !known[name] {
			t.Errorf("%s names %s, and there is no such alert, or no section of the runbooks", board, name)
		}
	}
}
