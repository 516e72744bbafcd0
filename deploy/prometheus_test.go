package deploy

import (
	"flag"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/test/harness"
)

const (
	rulesFile      = "prometheus/rotatord.rules.yaml"
	truthTables    = "prometheus/rotatord.rules.test.yaml"
	prometheusRule = "prometheus/prometheusrule.yaml"
	runbooks       = "../docs/runbooks.md"
	runbookPage    = "https://github.com/rotatord/rotatord/blob/main/docs/runbooks.md"
)

var update = flag.Bool("update", false, "write prometheusrule.yaml anew from the rules")

func TestPrometheusUnderstandsTheRules(t *testing.T) {
	if out, ok := promtool(t, "check", "rules", rulesFile); ok && !strings.Contains(out, "SUCCESS") {
		t.Errorf("promtool complains:\n%s", out)
	}
}

func TestEachAlertFiresWhenItShouldAndOnlyThen(t *testing.T) {
	if out, ok := promtool(t, "test", "rules", truthTables); ok && !strings.Contains(out, "SUCCESS") {
		t.Errorf("promtool complains:\n%s", out)
	}
}

func promtool(t *testing.T, args ...string) (out string, ok bool) {
	t.Helper()
	tool, found := harness.FindTool(t, "promtool")
	if !found {
		return "", false
	}
	b, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, b)
	}
	return string(b), true
}

// promtool says nothing of an alert that no table has.
func TestEachAlertHasATruthTableInWhichItIsSilentThenFiresThenIsSilent(t *testing.T) {
	shown := map[string]string{} // by alert and scope: what is expected, one letter a time
	for _, table := range readTruthTables(t) {
		scope, course := "", ""
		for _, check := range table.Checks {
			course += map[bool]string{true: "F", false: "-"}[len(check.Samples) > 0]
			for _, s := range check.Samples {
				scope = labelIn(s.Labels, "scope")
			}
		}
		shown[labelIn(table.Checks[0].Expr, "alertname")+scope] += course
	}
	for _, a := range harness.ReadRules(t, rulesFile).Alerts() {
		if course := shown[a.Alert+a.Labels["scope"]]; !regexp.MustCompile(`^-+F+-`).MatchString(course) {
			t.Errorf("%s (%s): the truth tables show %q", a.Alert, a.Labels["scope"], course)
		}
	}
}

type truthTable struct {
	Checks []struct {
		Expr    string                    `yaml:"expr"`
		Samples []struct{ Labels string } `yaml:"exp_samples"`
	} `yaml:"promql_expr_test"`
}

func readTruthTables(t *testing.T) []truthTable {
	t.Helper()
	var file struct{ Tests []truthTable }
	harness.Check(t, yaml.Unmarshal([]byte(read(t, truthTables)), &file))
	return file.Tests
}

func labelIn(selector, name string) string {
	m := regexp.MustCompile(name + `="([^"]*)"`).FindStringSubmatch(selector)
	if m == nil {
		return ""
	}
	return m[1]
}

func TestThePrometheusRuleHoldsTheSameRules(t *testing.T) {
	_, groups, _ := strings.Cut(read(t, rulesFile), "\ngroups:\n")
	text := `# Made from rotatord.rules.yaml by "make rules": change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: rotatord
  labels:
    app.kubernetes.io/name: rotatord
spec:
  groups:
`
	for line := range strings.Lines(groups) {
		if strings.TrimSpace(line) != "" {
			text += "  "
		}
		text += line
	}
	if *update {
		harness.Check(t, os.WriteFile(prometheusRule, []byte(text), 0o600))
	}
	if read(t, prometheusRule) != text {
		t.Errorf("%s is not made from %s: run `make rules`", prometheusRule, rulesFile)
	}
}

// The end-to-end tests run the rules with all of them divided.
func TestEverySpanOfTimeInTheRulesIsWrittenSoThatItCanBeDivided(t *testing.T) {
	rest := regexp.MustCompile(`[\d.]+[a-z]*\b`)
	for _, g := range harness.ReadRules(t, rulesFile).Groups {
		for _, rule := range g.Rules {
			for _, number := range rest.FindAllString(regexp.MustCompile(`"[^"]*"|[a-z]\w*`).ReplaceAllString(rule.WithoutSpans(), ""), -1) {
				if v, err := strconv.ParseFloat(number, 64); number != "50e6" && (err != nil || v >= 60) {
					t.Errorf("%s%s has %s, which may be a span of time: write it N * 60, or [Nm]", rule.Record, rule.Alert, number)
				}
			}
		}
	}
}

func TestEachAlertSaysHowMuchItMattersAndWhatToDo(t *testing.T) {
	sections := runbookSections(t)
	var alerts []string
	for _, a := range harness.ReadRules(t, rulesFile).Alerts() {
		alerts = append(alerts, a.Alert)
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s has the severity %q", a.Alert, a.Labels["severity"])
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s has no summary, or no description", a.Alert)
		}
		if url := a.Annotations["runbook_url"]; url != runbookPage+"#"+strings.ToLower(a.Alert) {
			t.Errorf("%s: its runbook_url is %s", a.Alert, url)
		}
		if !strings.Contains(sections[a.Alert], "severity: "+a.Labels["severity"]) {
			t.Errorf("%s has no section of its severity, %s, in %s", a.Alert, a.Labels["severity"], runbooks)
		}
	}
	for name := range sections {
		if strings.HasPrefix(name, "MoQ") && !slices.Contains(alerts, name) {
			t.Errorf("%s has a section %s, and there is no such alert", runbooks, name)
		}
	}
}

// runbookSections returns the text under each heading.
func runbookSections(t *testing.T) map[string]string {
	t.Helper()
	sections := map[string]string{}
	for _, part := range strings.Split(read(t, runbooks), "\n## ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		sections[name] = text
	}
	return sections
}

func TestEachSectionOfTheRunbooksSaysWhatItMeansHowToLookAndWhatToDo(t *testing.T) {
	for name, text := range runbookSections(t) {
		last := -1
		for _, part := range []string{"**Means.**", "**Look.**", "**Do.**"} {
			at := strings.Index(text, part)
			if strings.HasPrefix(name, "MoQ") && at <= last {
				t.Errorf("%s has no %s, or not in its place", name, part)
			}
			last = at
		}
	}
}

func TestEveryMetricThatRulesAndRunbooksNameExists(t *testing.T) {
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(rotatord_\\w+)`").FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		listed[m[1]] = true
	}
	if len(listed) < 50 {
		t.Fatalf("docs/metrics.md lists %d metrics", len(listed))
	}
	for _, file := range []string{rulesFile, truthTables, runbooks} {
		text := regexp.MustCompile(`\w+:rotatord_\w+(:\w+)?`).ReplaceAllString(read(t, file), "") // recorded ones
		for _, name := range regexp.MustCompile(`\brotatord_\w+`).FindAllString(text, -1) {
			if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); !listed[name] && !listed[base] {
				t.Errorf("%s names %s, which docs/metrics.md does not list", file, name)
			}
		}
	}
}
