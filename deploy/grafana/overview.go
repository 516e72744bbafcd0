package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// overview answers whether anything is wrong. What it shows is there with `per_slot: false`, too.
func overview() []panel {
	return append(append(slotNumbers(), daemonNumbers()...), fleetGraphs()...)
}

// figure is a small number.
func figure(title, tells, expr string, limits []limit, alerts ...string) panel {
	return panel{
		draw: number, title: title, tells: tells, unit: units.Short, limits: limits, none: "none", alerts: alerts,
		width: 3, height: 4, queries: []query{{expr, title}},
	}
}

func slotNumbers() []panel {
	return []panel{
		figure("Slots", "Slots of the configuration: each is one token of one relay, with a schedule of its own. "+
			"Fewer than you expect: look at “Instances” whether a configuration was refused.",
			"sum("+once("max", "account, state", ofAccount("slots"))+")", nil),
		figure("Failing", "Slots whose last attempt failed, and that are tried again. `rotatord status` says at "+
			"which step and why. Consumers are served the old token meanwhile.",
			"sum("+once("max", "account", ofAccount("slots", `state="failing"`))+")", anyIs("red"),
			"MoQRotationFailing"),
		figure("Overdue", "Slots of which a due instant, jitter included, went unmet for a minute, or whose token has "+
			"expired. Look at failures, the budget and the sinks, in this order.",
			"sum("+once("max", "account", ofAccount("slots_overdue"))+")", anyIs("red"), "MoQRotationOverdue"),
		figure("Locked out", "Slots in blackout: the old token is dead, and a required target does not hold the "+
			"new one. Seconds are normal in an in_place rotation; bring the slot's sink back if it lasts.",
			"sum("+once("max", "account", ofAccount("slots", `state="blackout"`))+")", anyIs("red"),
			"MoQConsumersLockedOut"),
		figure("Unhealthy targets", "Required targets that are missing, changed or unusable. `rotatord status` "+
			"names them; see who else writes there.",
			"sum("+once("max", "sink, state", ofSink("targets", `required="true"`, `state=~"missing|changed|unusable"`))+")",
			anyIs("red"), "MoQTargetUnhealthy"),
		figure("Pending deliveries", "Targets that lack a value that was minted. It is normal for seconds; "+
			"longer, see which sink is down.",
			"sum("+once("max", "sink", ofSink("pending_deliveries"))+")", anyIs("orange"), "MoQDeliveryPending"),
		span("First expiry", "When the first of the served tokens expires. It is renewed long before: little time "+
			"left means that its rotation has been failing for long.",
			left("min("+ofAccount("earliest_token_expiry_timestamp_seconds")+")"), atLeast(12*hour, hour),
			"MoQTokenExpiresSoon"),
		span("API token expires", "When the first of the API tokens expires by which rotatord itself speaks to "+
			"Cloudflare. Nothing is rotated after it: put a new one in its place in time.",
			left("min("+ofAccount("account_token_expiry_timestamp_seconds")+")"), atLeast(30*day, 7*day),
			"MoQAPITokenExpiresSoon"),
	}
}

const (
	minute = 60.
	hour   = 60 * minute
	day    = 24 * hour
)

// span is a figure that is a time.
func span(title, tells, expr string, limits []limit, alerts ...string) panel {
	p := figure(title, tells, expr, limits, alerts...)
	p.unit = units.DurationSeconds
	return p
}

func daemonNumbers() []panel {
	return []panel{
		figure("Instances up", "Daemons that answer Prometheus. Fewer than you run: see “Instances” which one is "+
			"gone, and its log.",
			"sum("+chosen("up")+")", []limit{{-1, "red"}, {1, "green"}}, "MoQReplicaDown", "MoQAbsent"),
		figure("Leaders", "Replicas that rotate, of the installation that has the fewest: exactly one should.",
			"min(sum by ("+installation+") ("+own("leader")+"))", exactly(1), "MoQNoLeader", "MoQTwoLeaders"),
		figure("Accounts down", "Accounts whose requests fail: Cloudflare does not answer, or refuses the API token, or that cannot be read.",
			"sum(1 - "+once("min", "account", ofAccount("account_up"))+")", anyIs("red"), "MoQCloudflareAccountDown"),
		figure("Sinks down", "Sinks whose store does not answer, or refuses rotatord's credentials. Nothing is "+
			"minted for slots that need them.",
			"sum(1 - "+once("min", "sink", ofSink("sink_up"))+")", anyIs("red"), "MoQSinkDown"),
		figure("Pending retirements", "Old tokens past their grace that are not revoked yet: a required target "+
			"may still hold one, or Cloudflare refuses.",
			"sum("+once("max", "account", ofAccount("pending_retirements"))+")", anyIs("orange"),
			"MoQRetirementPending"),
		figure("Journal errors", "Writes and checks of the journal that failed in the time shown. Nothing is "+
			"minted while it cannot be written: see its disk.",
			grownIn("$__range", "", own("journal_errors_total")), []limit{{0.5, "red"}}, "MoQJournalFailing"),
		figure("Reloads refused", "Daemons that go on with an older configuration because the file's is wrong. "+
			"`rotatord check` says where.",
			"sum(1 - "+own("config_last_reload_successful")+")", anyIs("red"), "MoQReloadFailed"),
		figure("Namesakes' tokens", "Tokens that another living installation under the same `instance` minted. "+
			"Stop one, or name them differently.",
			"sum("+once("max", "account", ofAccount("foreign_instance_tokens"))+")", anyIs("red"), "MoQNamesake"),
	}
}

func fleetGraphs() []panel {
	return []panel{
		{
			draw: areas, title: "Slots by state", unit: units.Short, width: 12, height: 8,
			tells: "In what state the slots are. *idle* and *grace* are at rest; *failing* and *blackout* need " +
				"somebody if they last.",
			queries: []query{{
				"sum by (state) (" + once("max", "account, state", ofAccount("slots")) + ")",
				"{{state}}",
			}},
		},
		{
			draw: bars, title: "Rotations by result", unit: units.Short,
			width: 12, height: 8, alerts: []string{"MoQRotationFailing"},
			tells: "What came of rotations. *superseded* gave way to a newer one; *failure* is each attempt " +
				"that failed: see “Failed attempts” why.",
			queries: []query{{grown("result", ofSlot("rotations_total")), "{{result}}"}},
		},
		{
			draw: bars, title: "Failed attempts", unit: units.Short,
			width: 12, height: 8, none: "none", alerts: []string{"MoQRotationFailing"},
			tells: "Attempts that failed, by step and reason. One rotation may fail many times before it " +
				"succeeds; docs/metrics.md explains the reasons.",
			queries: []query{{
				grown("step, reason", ofAccount("rotation_failures_total")) + " > 0",
				"{{step}}: {{reason}}",
			}},
		},
		{
			draw: steps, title: "Alerts that fire", unit: units.Short, width: 12, height: 8, none: "none",
			tells: "rotatord's alerts, where deploy/prometheus/rotatord.rules.yaml is loaded. Each has a " +
				"section in the runbooks, linked above.",
			queries: []query{{"sum by (alertname, severity) (" + alerts + ")", "{{alertname}} ({{severity}})"}},
		},
		instancesTable(),
	}
}

func perInstance(series string) string { return once("max", "instance", series) }

func instancesTable() panel {
	return panel{
		draw: rows, title: "Instances", unit: units.Short, width: 24, height: 6, limits: anyIs("green"),
		alerts: []string{"MoQReplicaDown", "MoQReloadFailed", "MoQReplicasDiffer", "MoQStandbyBehind"},
		tells: "The daemons: whether each answers and rotates, since when it leads, how far a standby is behind, what was " +
			"built, and whether its configuration is the one in the file, and the other replicas'.",
		columns: []column{
			{name: "Job", label: "job"},
			{name: "Instance", label: "instance"},
			{name: "Up", expr: perInstance(chosen("up")), unit: units.Short, limits: exactly(1)},
			{name: "Leader", expr: perInstance(own("leader")),
				unit: units.Short, limits: []limit{{0, "blue"}, {1, "green"}}},
			{name: "Leads since", expr: since(perInstance(own("leader_since_timestamp_seconds"))),
				unit: units.DurationSeconds},
			{name: "Behind", expr: perInstance(own("standby_behind_seconds")) + " or 0 * " + perInstance(own("leader")),
				unit: units.DurationSeconds, limits: atMost(10, 120)},
			{name: "Configuration", label: "digest",
				expr: "max by (" + installation + ", instance, digest) (" + own("replica_config_info") +
					" or on (" + installation + ", instance) " + own("build_info") + ")"}, // whoever is no replica
			{name: "Configuration in force", expr: perInstance(own("config_last_reload_successful")),
				unit: units.Short, limits: exactly(1)},
			{name: "Loaded", expr: since(perInstance(own("config_last_reload_success_timestamp_seconds"))),
				unit: units.DurationSeconds},
			{name: "Runs since", expr: since(perInstance(chosen("process_start_time_seconds"))),
				unit: units.DurationSeconds},
			{name: "Version", label: "version",
				expr: "max by (" + installation + ", instance, version) (" + own("build_info") + ")"},
		},
	}
}
