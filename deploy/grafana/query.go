package main

import (
	"fmt"
	"strings"
)

// installation are the labels that replicas of one installation share. The alerts go by them, too.
const installation = "namespace, job"

// chosen selects a metric's series of the daemons that the variables name.
func chosen(metric string, matchers ...string) string {
	all := append([]string{`job=~"$job"`, `instance=~"$instance"`}, matchers...)
	return metric + "{" + strings.Join(all, ",") + "}"
}

// own selects one of rotatord's own metrics.
func own(metric string, matchers ...string) string { return chosen("rotatord_"+metric, matchers...) }

// ofAccount selects one that is by account.
func ofAccount(metric string, matchers ...string) string {
	return own(metric, append([]string{`account=~"$account"`}, matchers...)...)
}

// ofSink selects one that is by sink.
func ofSink(metric string, matchers ...string) string {
	return own(metric, append([]string{`sink=~"$sink"`}, matchers...)...)
}

// ofSlot selects one that is by slot.
func ofSlot(metric string, matchers ...string) string {
	return own(metric, append([]string{`relay=~"$relay"`, `type=~"$type"`}, matchers...)...)
}

// once makes one series of those that replicas export of the same thing, as op (max, min) says.
func once(op, labels, series string) string {
	return fmt.Sprintf("%s by (%s, %s) (%s)", op, installation, labels, series)
}

// slots makes one series a slot of a gauge's, with the slot's account. It is empty with `per_slot: false`.
func slots(metric string) string {
	return slotsBy("relay, type", ofSlot(metric))
}

func slotsBy(labels, series string) string {
	return fmt.Sprintf("%s * on (%s, relay, type) group_left (account) %s", once("max", labels, series), installation,
		once("max", "relay, type, account", ofSlot("slot_info", `account=~"$account"`)))
}

// left is the time from now until that of series, in seconds; since is that from the time of series until now.
func left(series string) string { return "(" + series + ") - time()" }

func since(series string) string { return "time() - (" + series + ")" }

// grown is by how much counters grow in the time that a bar stands for, summed up by labels. All bars together are all
// that was counted: `increase` over $__rate_interval, which is longer than a bar, counts the same in several of them.
func grown(labels, counter string) string {
	return fmt.Sprintf("sum%s (rate(%s[$__rate_interval])) * %s", by(labels), counter, barSeconds)
}

// barSeconds is the time that a bar stands for.
const barSeconds = "$__interval_ms / 1000"

// grownIn is by how much counters have grown within a span.
func grownIn(span, labels, counter string) string {
	return fmt.Sprintf("sum%s (increase(%s[%s]))", by(labels), counter, span)
}

// quantile is that of a histogram, by labels: of its classic buckets or, where Prometheus takes in native ones, of those.
func quantile(q float64, labels, metric string, matchers ...string) string {
	classic := fmt.Sprintf("sum%s (rate(%s[$__rate_interval]))", by("le", labels), own(metric+"_bucket", matchers...))
	native := fmt.Sprintf("sum%s (rate(%s[$__rate_interval]))", by(labels), own(metric, matchers...))
	return fmt.Sprintf("histogram_quantile(%v, %s) or histogram_quantile(%v, %s)", q, classic, q, native)
}

// heights are the counts of a histogram's buckets; of its native ones only where there are no classic ones. Not every
// Prometheus that has native ones multiplies them, so that these are the counts of $__rate_interval.
func heights(metric string) string {
	classic, native := grown("le", own(metric+"_bucket")), grownIn("$__rate_interval", "", own(metric))
	return fmt.Sprintf("%s or (%s unless on () %s)", classic, native, classic)
}

func by(labels ...string) string {
	labels = strings.FieldsFunc(strings.Join(labels, ", "), func(r rune) bool { return strings.ContainsRune(", ", r) })
	if len(labels) == 0 {
		return ""
	}
	return " by (" + strings.Join(labels, ", ") + ")"
}
