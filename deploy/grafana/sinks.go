package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// sinks are the stores, and what they hold.
func sinks() row {
	return row{"Sinks and their targets", append(storesAndTargets(), deliveries()...)}
}

func storesAndTargets() []panel {
	return []panel{
		{
			draw: steps, title: "Sinks up", unit: units.Short, limits: []limit{{-1, "red"}, {1, "green"}},
			width: 8, height: 8, alerts: []string{"MoQSinkDown"},
			tells: "1 while the sink's store answers and takes rotatord's credentials, 0 when it does not. A " +
				"bad target alone does not change it.",
			queries: []query{{once("min", "sink", ofSink("sink_up")), "{{sink}}"}},
		},
		{
			draw: areas, title: "Targets by state", unit: units.Short,
			width: 8, height: 8, alerts: []string{"MoQTargetUnhealthy"},
			tells: "In what state the targets are. *pending* lacks the current rotation, *unknown* was not " +
				"looked at, or its store is down.",
			queries: []query{{
				"sum by (state) (" + once("max", "sink, required, state", ofSink("targets")) + ")",
				"{{state}}",
			}},
		},
		{
			draw: steps, title: "Unhealthy targets by sink", unit: units.Short, limits: anyIs("red"), none: "none",
			width: 8, height: 8,
			alerts: []string{"MoQTargetUnhealthy"},
			tells: "Targets that are missing, changed or unusable. See who else writes there, and what rotatord " +
				"is allowed to.",
			queries: []query{{
				"sum by (sink, required, state) (" +
					once("max", "sink, required, state", ofSink("targets", `state=~"missing|changed|unusable"`)) + ") > 0",
				"{{sink}}: {{state}}, required {{required}}",
			}},
		},
	}
}

func deliveries() []panel {
	return []panel{
		{
			draw: steps, title: "Pending deliveries by sink", unit: units.Short, limits: anyIs("orange"),
			width: 8, height: 8, alerts: []string{"MoQDeliveryPending"},
			tells:   "Targets that lack a value that was minted.",
			queries: []query{{once("max", "sink", ofSink("pending_deliveries")), "{{sink}}"}},
		},
		{
			draw: lines, title: "Longest pending delivery", unit: units.DurationSeconds,
			limits: atMost(minute, 15*minute), none: "none",
			width: 8, height: 8,
			alerts: []string{"MoQDeliveryPending"},
			tells: "For how long a sink's longest waiting target lacks its value. Consumers read the old token " +
				"there, until its grace ends.",
			queries: []query{{
				since(once("min", "sink", ofSink("oldest_pending_delivery_timestamp_seconds"))),
				"{{sink}}",
			}},
		},
		{
			draw: bars, title: "Drift", unit: units.Short, limits: anyIs("orange"),
			width: 8, height: 8, alerts: []string{"MoQSinkDrift"},
			tells: "Targets found missing or changed that were well before: a reboot, a restored backup, or " +
				"somebody else who writes there.",
			queries: []query{{grown("sink", ofSink("sink_drift_total")), "{{sink}}"}},
		},
		{
			draw: bars, title: "Deliveries", unit: units.Short, width: 8, height: 8,
			tells:   "Writes to sinks by how they went.",
			queries: []query{{grown("sink, result", ofSink("sink_deliveries_total")), "{{sink}}: {{result}}"}},
		},
		{
			draw: lines, title: "Since the last look", unit: units.DurationSeconds,
			width: 8, height: 8, limits: atMost(hour, day),
			tells: "How long ago the sink's store last answered a call. It grows up to the sink's " +
				"`probe_interval`; beyond that the sink is down.",
			queries: []query{{since(once("max", "sink", ofSink("sink_last_probe_timestamp_seconds"))), "{{sink}}"}},
		},
		{
			draw: bars, title: "Failed deliveries and looks", unit: units.Short,
			limits: anyIs("orange"), none: "none",
			width: 8, height: 8,
			tells: "Attempts at sinks that failed, by step and reason: *preflight* is the look before a mint, " +
				"*verify* the reading back after a write.",
			queries: []query{{
				grown("step, reason", ofAccount("rotation_failures_total", `step=~"preflight|deliver|verify"`)) + " > 0",
				"{{step}}: {{reason}}",
			}},
		},
	}
}
