package harness

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// Rules are a rule file of Prometheus.
type Rules struct {
	Groups []RuleGroup `yaml:"groups"`
}

// RuleGroup is a group of rules that are evaluated one after the other.
type RuleGroup struct {
	Name  string `yaml:"name"`
	Rules []Rule `yaml:"rules"`
}

// Rule records a series, or is an alert.
type Rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// ReadRules reads a rule file.
func ReadRules(t testing.TB, path string) (r Rules) {
	t.Helper()
	Check(t, yaml.Unmarshal(Must[[]byte](t)(os.ReadFile(path)), &r))
	return r
}

// Write writes a rule file.
func (r Rules) Write(t testing.TB, path string) {
	t.Helper()
	Check(t, os.WriteFile(path, Must[[]byte](t)(yaml.Marshal(r)), 0o600))
}

// Alerts returns the rules that are alerts.
func (r Rules) Alerts() (alerts []Rule) {
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			if rule.Alert != "" {
				alerts = append(alerts, rule)
			}
		}
	}
	return alerts
}

// Spans of time in an expression: of a range, and as a number of seconds.
var (
	rangeSpan  = regexp.MustCompile(`\[(\d+[smhd])\]`)
	numberSpan = regexp.MustCompile(`\b\d+ \* (60|3600|86400)\b`)
)

// DividedBy returns the same rules with each span of time divided by n: as if time ran n times as fast.
func (r Rules) DividedBy(n int) Rules {
	fast := Rules{Groups: make([]RuleGroup, len(r.Groups))}
	for i, g := range r.Groups {
		fast.Groups[i].Name = g.Name
		for _, rule := range g.Rules {
			fast.Groups[i].Rules = append(fast.Groups[i].Rules, rule.dividedBy(n))
		}
	}
	return fast
}

func (r Rule) dividedBy(n int) Rule {
	if r.For != "" {
		r.For = spanDividedBy(r.For, n)
	}
	r.Expr = rangeSpan.ReplaceAllStringFunc(r.Expr, func(span string) string {
		return "[" + spanDividedBy(span[1:len(span)-1], n) + "]"
	})
	r.Expr = numberSpan.ReplaceAllString(r.Expr, "${0} / "+strconv.Itoa(n))
	return r
}

// spanDividedBy divides a span as Prometheus writes it, of one unit.
func spanDividedBy(span string, n int) string {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	last := len(span) - 1
	count, err := strconv.Atoi(span[:last])
	if units[span[last]] == 0 || err != nil {
		panic(span + " is no number of seconds, minutes, hours or days")
	}
	return fmt.Sprintf("%dms", (time.Duration(count) * units[span[last]] / time.Duration(n)).Milliseconds())
}

// WithoutSpans returns the expression without what DividedBy divides.
func (r Rule) WithoutSpans() string {
	return numberSpan.ReplaceAllString(rangeSpan.ReplaceAllString(r.Expr, ""), "")
}
