package harness

import (
	"reflect"
	"testing"
)

func TestEverySpanOfTimeOfARuleIsDivided(t *testing.T) {
	rule := Rule{Alert: "A", Expr: "time() - last_over_time(a[5m]) > 2 * 3600 and b < 50e6 or c[1d] > 0.25 * (d - 1 * 60)", For: "15m"}
	want := Rule{Alert: "A", Expr: "time() - last_over_time(a[5000ms]) > 2 * 3600 / 60 and b < 50e6 or c[1440000ms] > 0.25 * (d - 1 * 60 / 60)", For: "15000ms"}
	rules := Rules{Groups: []RuleGroup{{Name: "g", Rules: []Rule{rule, {Record: "r", Expr: "a"}}}}}
	fast := rules.DividedBy(60)
	if want := (Rules{Groups: []RuleGroup{{Name: "g", Rules: []Rule{want, {Record: "r", Expr: "a"}}}}}); !reflect.DeepEqual(fast, want) {
		t.Errorf("got\n%+v\nwant\n%+v", fast, want)
	}
	if rules.Groups[0].Rules[0].For != "15m" {
		t.Error("the rules themselves were changed")
	}
}
