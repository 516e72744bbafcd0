package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// ages are how old the tokens are, and what is left of them.
func ages() row {
	return row{"Ages and expiries", []panel{
		{
			draw: lines, title: "First expiry by account", unit: units.DurationSeconds,
			limits: atLeast(12*hour, hour),
			width:  12, height: 8,
			alerts: []string{"MoQTokenExpiresSoon"},
			tells: "Time left until the first served token of an account expires. It should be a saw-tooth that " +
				"never nears zero.",
			queries: []query{{
				left(once("min", "account", ofAccount("earliest_token_expiry_timestamp_seconds"))),
				"{{account}}",
			}},
		},
		{
			draw: lines, title: "API tokens' expiry", unit: units.DurationSeconds, limits: atLeast(30*day, 7*day),
			width: 12, height: 8,
			none: "never, or not told", alerts: []string{"MoQAPITokenExpiresSoon"},
			tells: "Time left until an account's own API token expires. Make a new one, and put it where the " +
				"account's `api_token` is read.",
			queries: []query{{
				left(once("min", "account", ofAccount("account_token_expiry_timestamp_seconds"))),
				"{{account}}",
			}},
		},
		slotTable(),
		worst("Least life left", "The slots whose served token has the least of its life left. A rotation is due "+
			"at a third at the latest; below a quarter, it has been failing for long.",
			"First expiry by account", units.PercentUnit, atLeast(0.33, 0.25), "bottomk", lifeLeft(),
			"MoQTokenExpiresSoon"),
		worst("Oldest tokens", "The slots that serve the oldest tokens. Compare with their schedules.",
			"First expiry by account", units.DurationSeconds, nil, "topk", since(slots("token_created_timestamp_seconds"))),
		// What was due since the last scrape may have been rotated by now.
		worst("Longest overdue", "The slots of which a due instant, jitter included, went unmet for longest, and for "+
			"more than a minute. One that is overdue because its token has expired is in “Least life left”.",
			"Overdue", units.DurationSeconds, atMost(minute, 15*minute), "topk",
			since(slots("next_rotation_timestamp_seconds"))+" > 60",
			"MoQRotationOverdue"),
		worst("Most failed attempts", "The slots with the most failed attempts since the last success. `rotatord "+
			"history` of one says what was tried.",
			"Failing", units.Short, atMost(1, 3), "topk", slots("consecutive_failures")+" > 0", "MoQRotationFailing"),
		worst("Next attempts", "When failing slots are tried again. `rotatord rotate` tries one at once.",
			"Failing", units.DurationSeconds, nil, "bottomk", left(slots("next_attempt_timestamp_seconds"))),
		worst("Unhealthy targets by slot", "The slots with the most required targets that are missing, changed or "+
			"unusable.",
			"Unhealthy targets", units.Short, anyIs("red"), "topk", slots("slot_unhealthy_targets")+" > 0",
			"MoQTargetUnhealthy"),
	}}
}

// worst ranks the ten slots that have the most, or the least, of something.
func worst(title, tells, empty, unit string, limits []limit, op, expr string, alerts ...string) panel {
	return panel{
		draw: ranking, title: title, tells: tells, empty: empty, unit: unit, limits: limits, none: "none", alerts: alerts,
		width: 8, height: 8, queries: []query{{op + "(10, " + expr + ")", "{{relay}}/{{type}}"}},
	}
}

// lifeLeft is the part of a token's life that is left.
func lifeLeft() string {
	created, expiry := slots("token_created_timestamp_seconds"), slots("token_expiry_timestamp_seconds")
	return "(" + left(expiry) + ") / ((" + expiry + ") - (" + created + "))"
}

func slotTable() panel {
	return panel{
		draw: rows, title: "Slots one by one", empty: "First expiry by account", unit: units.Short, width: 24, height: 10,
		tells: "Every slot: its state, the age of its token and when that expires, the next rotation. Click a " +
			"heading to sort.",
		columns: []column{
			{name: "Account", label: "account"},
			{name: "Relay", label: "relay"},
			{name: "Token type", label: "type"},
			{name: "State", label: "state", expr: slotsBy("relay, type, state", ofSlot("slot_state")+" == 1")},
			{name: "Age", expr: since(slots("token_created_timestamp_seconds")), unit: units.DurationSeconds},
			{name: "Expires in", expr: left(slots("token_expiry_timestamp_seconds")),
				unit: units.DurationSeconds, limits: atLeast(12*hour, hour)},
			{name: "Last rotation", expr: since(slots("last_rotation_timestamp_seconds")),
				unit: units.DurationSeconds},
			{name: "Next rotation in", expr: left(slots("next_rotation_timestamp_seconds")),
				unit: units.DurationSeconds, limits: atLeast(-minute, -15*minute)},
			{name: "Failed attempts", expr: slots("consecutive_failures"), unit: units.Short, limits: atMost(1, 3)},
			{name: "Unhealthy targets", expr: slots("slot_unhealthy_targets"),
				unit: units.Short, limits: anyIs("red")},
			{name: "Job", label: "job"},
		},
	}
}
