package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// cloudflare is what rotatord asks of Cloudflare, and what it is let.
func cloudflare() row {
	return row{"Cloudflare: requests, budget and tokens", append(requests(), append(budget(), registry()...)...)}
}

func requests() []panel {
	return []panel{
		{
			draw: bars, title: "Requests by code", unit: units.Short,
			width: 8, height: 8, alerts: []string{"MoQCloudflareAccountDown"},
			tells: "Requests by HTTP status; *error* had no answer. 401 and 403: the API token; 429: the rate " +
				"limit; 5xx: Cloudflare itself.",
			queries: []query{{grown("code", ofAccount("cloudflare_requests_total")), "{{code}}"}},
		},
		{
			draw: bars, title: "Requests by operation", unit: units.Short, width: 8, height: 8,
			tells: "What was asked for: *create*, *rotate* and *revoke* change tokens, *list*, *relay* and " +
				"*verify* only look.",
			queries: []query{{grown("operation", ofAccount("cloudflare_requests_total")), "{{operation}}"}},
		},
		{
			draw: steps, title: "Accounts up", unit: units.Short, limits: []limit{{-1, "red"}, {1, "green"}},
			width: 8, height: 8,
			alerts:  []string{"MoQCloudflareAccountDown"},
			tells:   "1 while requests are answered and the API token is accepted, 0 when they fail.",
			queries: []query{{once("min", "account", ofAccount("account_up")), "{{account}}"}},
		},
	}
}

func budget() []panel {
	return []panel{
		{
			draw: lines, title: "Rate limit left", unit: units.PercentUnit,
			limits: atLeast(0.5, 0.1), none: "not told",
			width: 8, height: 8,
			alerts: []string{"MoQBudgetShort"},
			tells: "The part of Cloudflare's rate limit that is left in its present window, as it last said. " +
				"Others with the same API token use it, too.",
			queries: []query{{once("min", "account", ofAccount("cloudflare_ratelimit_remaining")) + " / " +
				once("max", "account", ofAccount("cloudflare_ratelimit_limit")), "{{account}}"}},
		},
		{
			draw: steps, title: "Calls that wait", unit: units.Short, limits: atMost(10, 100),
			width: 8, height: 8, alerts: []string{"MoQBudgetShort"},
			tells: "Calls that wait for their turn in the request budget. Spread the schedules (`jitter`), or " +
				"give rotatord a larger `share`.",
			queries: []query{{once("max", "account", ofAccount("budget_waiting")), "{{account}}"}},
		},
		{
			draw: lines, title: "Blocked for", unit: units.DurationSeconds,
			limits: atMost(1, 10*minute), none: "not blocked",
			width: 8, height: 8,
			alerts: []string{"MoQCloudflareAccountBlocked"},
			tells: "For how much longer Cloudflare takes no call of the account. Look for whoever else uses the " +
				"API token up.",
			queries: []query{{
				left(once("max", "account", ofAccount("account_blocked_until_timestamp_seconds"))),
				"{{account}}",
			}},
		},
	}
}

// registry is what relays hold of ours, or of a namesake.
func registry() []panel {
	return []panel{
		{
			draw: steps, title: "Pending retirements by account", unit: units.Short, limits: anyIs("orange"),
			width: 8, height: 8, alerts: []string{"MoQRetirementPending"},
			tells:   "Old tokens past their grace that are not revoked yet. They are still accepted by relays.",
			queries: []query{{once("max", "account", ofAccount("pending_retirements")), "{{account}}"}},
		},
		{
			draw: lines, title: "Longest pending retirement", unit: units.DurationSeconds,
			limits: atMost(10*minute, hour), none: "none",
			width: 8, height: 8,
			alerts: []string{"MoQRetirementPending"},
			tells: "How long ago the first of those graces ended. Revoking waits for every required sink, and " +
				"for Cloudflare.",
			queries: []query{{
				since(once("min", "account", ofAccount("oldest_pending_retirement_timestamp_seconds"))),
				"{{account}}",
			}},
		},
		{
			draw: steps, title: "Namesakes' tokens by account", unit: units.Short, limits: anyIs("red"),
			width: 8, height: 8, alerts: []string{"MoQNamesake"},
			tells: "Tokens of the account's relays that another living installation under the same `instance` " +
				"minted.",
			queries: []query{{once("max", "account", ofAccount("foreign_instance_tokens")), "{{account}}"}},
		},
		{
			draw: bars, title: "Claims that differ", unit: units.Short, limits: anyIs("orange"), width: 8, height: 8,
			alerts: []string{"MoQTokenClaimMismatch"},
			tells: "New tokens whose value claims something else than Cloudflare's answer told. The log says " +
				"which claims: tell Cloudflare.",
			queries: []query{{grown("account", ofAccount("token_claim_mismatches_total")), "{{account}}"}},
		},
		{
			draw: bars, title: "Failed mints and revocations", unit: units.Short,
			limits: anyIs("orange"), none: "none",
			width: 16, height: 8,
			alerts: []string{"MoQRotationFailing", "MoQRetirementPending"},
			tells: "Mints and revocations that failed, by step and reason. A revocation fails, too, while a " +
				"required target does not hold the successor.",
			queries: []query{{
				grown("step, reason", ofAccount("rotation_failures_total", `step=~"mint|retire"`)) + " > 0",
				"{{step}}: {{reason}}",
			}},
		},
	}
}
