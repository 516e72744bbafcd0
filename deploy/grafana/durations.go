package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// durations are how late rotations begin, how long they and their parts take, and how long consumers were locked out.
func durations() row {
	return row{"Schedule, durations and blackouts", append(lagAndRotations(), append(calls(), blackouts()...)...)}
}

func lagAndRotations() []panel {
	return []panel{
		{
			draw: lines, title: "Schedule lag", unit: units.Seconds, limits: atMost(10, minute),
			width: 12, height: 8, alerts: []string{"MoQRotationOverdue"},
			tells: "From the instant that is due, jitter included, until the mint call. Seconds come from the " +
				"budget: see “Calls that wait”.",
			queries: quantiles("schedule_lag_seconds", "", ""),
		},
		heat("Spread of the schedule lag", "How many rotations began how late.", "schedule_lag_seconds"),
		{
			draw: lines, title: "Duration of rotations", unit: units.Seconds, limits: atMost(minute, 5*minute),
			width: 12, height: 8,
			tells: "From the first mint call until every required sink was verified, settling included. Long ones " +
				"wait for a sink.",
			queries: quantiles("rotation_duration_seconds", "strategy", "{{strategy}} "),
		},
		heat("Spread of the rotations' duration", "How many rotations took how long.", "rotation_duration_seconds"),
	}
}

func calls() []panel {
	return []panel{
		{
			draw: lines, title: "Duration of deliveries", unit: units.Seconds, limits: atMost(5, 30),
			width: 8, height: 8,
			tells:   "How long writes to a sink took. A sink that slows down will soon run into its `timeout`.",
			queries: quantiles("sink_delivery_duration_seconds", "sink", "{{sink}} ", `sink=~"$sink"`),
		},
		{
			draw: lines, title: "Duration of Cloudflare's requests", unit: units.Seconds, limits: atMost(5, 30),
			width: 8, height: 8,
			tells:   "How long requests to Cloudflare took, by operation.",
			queries: quantiles("cloudflare_request_duration_seconds", "operation", "{{operation}} ", `account=~"$account"`),
		},
		{
			draw: lines, title: "Duration of journal writes", unit: units.Seconds, limits: atMost(0.1, 1),
			width: 8, height: 8, alerts: []string{"MoQJournalFailing"},
			tells: "How long a durable write to the journal took. Tens of milliseconds and more come from its " +
				"disk; each prolongs a blackout.",
			queries: quantiles("journal_write_duration_seconds", "", ""),
		},
	}
}

func blackouts() []panel {
	return []panel{
		{
			draw: lines, title: "Blackouts under way", unit: units.Seconds, limits: atMost(10, minute), none: "none",
			width: 8, height: 8,
			alerts: []string{"MoQConsumersLockedOut"},
			tells: "For how long the longest blackout of an account lasts already. Bring the sink back that its " +
				"slot needs.",
			queries: []query{{
				since(once("min", "account", ofAccount("oldest_blackout_start_timestamp_seconds"))),
				"{{account}}",
			}},
		},
		worst("Slots in blackout", "For how long the consumers of these slots have been locked "+
			"out.", "Blackouts under way",
			units.DurationSeconds, atMost(10, minute), "topk", since(slots("blackout_start_timestamp_seconds")),
			"MoQConsumersLockedOut"),
		{
			draw: lines, title: "Duration of blackouts", unit: units.Seconds, limits: atMost(5, minute),
			width: 8, height: 8,
			tells:   "How long in_place rotations that have ended left consumers without a valid token.",
			queries: quantiles("blackout_seconds", "", ""),
		},
		heat("Spread of the blackouts' duration", "How many blackouts took how long.", "blackout_seconds"),
		{
			draw: bars, title: "Blackouts", unit: units.Short, width: 12, height: 8,
			tells: "In_place rotations whose blackout has ended. Where the account offers it, the `overlap` " +
				"strategy has none.",
			queries: []query{{
				grown("", own("blackout_seconds_count")) + " or " + histogramCount("blackout_seconds"),
				"blackouts",
			}},
		},
	}
}

// quantiles are the median and the slowest hundredth; prefix is what their legend begins with.
func quantiles(metric, labels, prefix string, matchers ...string) []query {
	return []query{
		{quantile(0.5, labels, metric, matchers...), prefix + "median"},
		{quantile(0.99, labels, metric, matchers...), prefix + "99 %"},
	}
}

// histogramCount is how many observations a native histogram has grown by.
func histogramCount(metric string) string {
	return fmt.Sprintf("histogram_count(sum (rate(%s[$__rate_interval]))) * %s", own(metric), barSeconds)
}

func heat(title, tells, metric string) panel {
	return panel{
		draw: spread, title: title, tells: tells + " Darker is more often.", unit: units.Short, width: 12, height: 8,
		queries: []query{{heights(metric), "{{le}}"}},
	}
}
