package deploy

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

func TestEachAlertThatTheDashboardNamesExistsAndHasARunbook(t *testing.T) {
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
	if len(named) < 40 {
		t.Errorf("it names %d alerts and sections", len(named))
	}
	for _, name := range named {
		if !known[name] {
			t.Errorf("%s names %s, and there is no such alert, or no section of the runbooks", board, name)
		}
	}
}
