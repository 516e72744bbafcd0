package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// daemons are the processes: their clock, journal, log, logins and needs.
func daemons() row {
	return row{"Daemon: clock, journal, log and process", append(clockAndJournal(), append(logAndLogins(), process()...)...)}
}

func clockAndJournal() []panel {
	return []panel{
		{
			draw: offsets, title: "Clock offset", unit: units.Seconds,
			limits: []limit{{-1e12, "red"}, {-30, "green"}, {30, "red"}}, none: "not known",
			width: 8, height: 8,
			alerts: []string{"MoQClockOff"},
			tells: "This machine's clock less Cloudflare's. Schedules go by this machine's, unless replicas share " +
				"an etcd: see to its time synchronisation.",
			queries: []query{{
				once("max", "account, instance", ofAccount("clock_offset_seconds")),
				"{{instance}}: {{account}}",
			}},
		},
		{
			draw: bars, title: "Steps of the clock", unit: units.Short, limits: anyIs("orange"),
			width: 8, height: 8, alerts: []string{"MoQClockSet"},
			tells:   "Times that somebody set the wall clock, by more than a second.",
			queries: []query{{grown("instance", own("clock_steps_total")), "{{instance}}"}},
		},
		{
			draw: bars, title: "Journal errors by instance", unit: units.Short, limits: anyIs("red"),
			width: 8, height: 8, alerts: []string{"MoQJournalFailing"},
			tells: "Writes and checks of the journal that failed. Nothing is minted, and the daemon is not " +
				"ready, until one succeeds.",
			queries: []query{{grown("instance", own("journal_errors_total")), "{{instance}}"}},
		},
		{
			draw: lines, title: "Journal size", unit: units.BytesIEC,
			width: 8, height: 8, limits: atMost(gibibyte, 4*gibibyte),
			tells:   "Size of the journal's files. It follows the number of slots, and does not grow with time.",
			queries: []query{{perInstance(own("journal_size_bytes")), "{{instance}}"}},
		},
		{
			draw: lines, title: "Room for the journal", unit: units.BytesIEC, limits: atLeast(200e6, 50e6),
			width: 8, height: 8, alerts: []string{"MoQStateDiskFillsUp"},
			tells: "What may still be written to the file system of `state.path`. Make room before it is full: " +
				"nothing is minted then.",
			queries: []query{{perInstance(own("state_free_bytes")), "{{instance}}"}},
		},
	}
}

func logAndLogins() []panel {
	return []panel{
		{
			draw: bars, title: "Log lines dropped", unit: units.Short, limits: anyIs("orange"),
			width: 8, height: 8, alerts: []string{"MoQLogLinesDropped"},
			tells: "Lines of the log that nobody took. Rotations go on, but what happened will be hard to tell: " +
				"see who reads the log.",
			queries: []query{{grown("instance", own("log_lines_dropped_total")), "{{instance}}"}},
		},
		{
			draw: bars, title: "Failed logins", unit: units.Short, limits: atMost(1, 10),
			width: 8, height: 8, alerts: []string{"MoQFailedLogins"},
			tells:   "Wrong passwords and refused client certificates at the listener. The log names who came.",
			queries: []query{{grown("instance", own("http_auth_failures_total")), "{{instance}}"}},
		},
		{
			draw: steps, title: "Reloads", unit: units.Short, limits: []limit{{-1, "red"}, {1, "green"}},
			width: 8, height: 8, alerts: []string{"MoQReloadFailed"},
			tells: "1 while the configuration of the file is in force, 0 after one was refused. `rotatord " +
				"check` says what is wrong.",
			queries: []query{{perInstance(own("config_last_reload_successful")), "{{instance}}"}},
		},
		{
			draw: steps, title: "Leader", unit: units.Short, limits: []limit{{-1, "red"}, {1, "green"}},
			width: 8, height: 8, alerts: []string{"MoQNoLeader", "MoQTwoLeaders"},
			tells:   "1 on the replica that rotates, 0 on a standby.",
			queries: []query{{perInstance(own("leader")), "{{instance}}"}},
		},
	}
}

const gibibyte = 1 << 30

func process() []panel {
	return []panel{
		{
			draw: lines, title: "Memory", unit: units.BytesIEC, limits: atMost(gibibyte, 4*gibibyte),
			width: 8, height: 8,
			tells: "Resident memory, and the part of it that is Go's heap. It follows the number of slots; " +
				"docs/performance.md has figures.",
			queries: []query{
				{perInstance(chosen("process_resident_memory_bytes")), "{{instance}} resident"},
				{perInstance(chosen("go_memstats_heap_inuse_bytes")), "{{instance}} heap"},
			},
		},
		{
			draw: lines, title: "Goroutines", unit: units.Short, limits: atMost(10_000, 100_000), width: 8, height: 8,
			tells: "Goroutines of the process. Growth without end is a fault of rotatord's: please tell its " +
				"authors.",
			queries: []query{{perInstance(chosen("go_goroutines")), "{{instance}}"}},
		},
		{
			draw: lines, title: "Processor", unit: units.PercentUnit, limits: atMost(1, 2), width: 4, height: 8,
			tells: "Processor time that the process takes; 100 % is one core.",
			queries: []query{{
				"sum by (instance) (rate(" + chosen("process_cpu_seconds_total") + "[$__rate_interval]))",
				"{{instance}}",
			}},
		},
		{
			draw: lines, title: "File descriptors", unit: units.PercentUnit, limits: atMost(0.7, 0.9),
			width: 4, height: 8,
			tells: "The part of the allowed file descriptors that is open. Raise `LimitNOFILE`, or see who " +
				"keeps connections open.",
			queries: []query{{
				perInstance(chosen("process_open_fds")) + " / " + perInstance(chosen("process_max_fds")),
				"{{instance}}",
			}},
		},
	}
}
