package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks/all"
)

func TestEveryDiagnosticSaysWhereAndWhatToDo(t *testing.T) {
	const token = "subscribe: {}"
	for name, test := range map[string]struct{ text, want string }{
		"unknown keys, each with its nearest": {
			change(t, token, "subscribe: {schedul: '@daily', grase: 1h}\n    lables: {}") + "metric: {}\nquux: 1\n",
			`config.yaml:11:19: relays.live-main.tokens.subscribe.schedul: unknown key (did you mean schedule?)
config.yaml:11:38: relays.live-main.tokens.subscribe.grase: unknown key (did you mean grace?)
config.yaml:12:5: relays.live-main.lables: unknown key (did you mean labels?)
config.yaml:13:1: metric: unknown key (did you mean metrics?)
config.yaml:14:1: quux: unknown key (known: accounts, defaults, instance, log, metrics, relays, server, shutdown_timeout, sinks, state)`,
		},
		"duplicate keys at every depth": {
			change(t, token, "subscribe: {grace: 1h, grace: 2h}\n      subscribe: {}") + "instance: a\ninstance: b\n",
			`config.yaml:11:30: relays.live-main.tokens.subscribe.grace: duplicate key: it already stands on line 11 (keep one of them)
config.yaml:12:7: relays.live-main.tokens.subscribe: duplicate key: it already stands on line 11 (keep one of them)
config.yaml:14:1: instance: duplicate key: it already stands on line 13 (keep one of them)`,
		},
		"wrong types": {
			change(t, token, "subscribe: {grace: 5, verify: 'true', sinks: disk, jitter: -1s, lifetime: [1h]}") + "log: debug\nmetrics: {per_slot: }\n",
			`config.yaml:11:19: relays.live-main.tokens.subscribe.grace: must be a duration with a unit, such as 90s, 12h, 30d or 2w, not "5"
config.yaml:11:29: relays.live-main.tokens.subscribe.verify: must be true or false, not "true" (without quotes)
config.yaml:11:45: relays.live-main.tokens.subscribe.sinks: must be a list (write it as [one, two])
config.yaml:11:58: relays.live-main.tokens.subscribe.jitter: must be a duration with a unit, such as 90s, 12h, 30d or 2w, not "-1s"
config.yaml:11:71: relays.live-main.tokens.subscribe.lifetime: must be a single value
config.yaml:12:1: log: must be a mapping of keys to values
config.yaml:13:11: metrics.per_slot: has no value (give one, or remove the key)`,
		},
		"words that are not offered": {
			change(t, token, "subscribe: {strategy: overlapp, initial: later, retire: all}") + "log: {level: inf, format: text}\n",
			`config.yaml:11:19: relays.live-main.tokens.subscribe.strategy: must be overlap or in_place, not "overlapp" (did you mean overlap?)
config.yaml:11:39: relays.live-main.tokens.subscribe.initial: must be now or schedule, not "later"
config.yaml:11:55: relays.live-main.tokens.subscribe.retire: must be own or matching, not "all"
config.yaml:12:7: log.level: must be debug, info, warn or error, not "inf" (did you mean info?)
config.yaml:12:19: log.format: must be json or console, not "text"`,
		},
		"a key in the wrong place": {
			change(t, token, "subscribe: {account: main, sinks: [{sink: disk, secret_id: x}]}") + "metrics:\n",
			`config.yaml:11:19: relays.live-main.tokens.subscribe.account: account cannot be given for a token (give it on the relay or in defaults)
config.yaml:11:55: relays.live-main.tokens.subscribe.sinks[0].secret_id: unknown key (here the target of every kind of sink is given as path)`,
		},
		"retire as a default": {
			change(t, "{sinks: [disk]}", "{sinks: [disk], retire: own}"),
			`config.yaml:6:27: defaults.retire: retire cannot be a default (give it on each relay or token that needs it)`,
		},
		"an unknown token type": {
			change(t, token, "subscriber: {}"),
			`config.yaml:11:7: relays.live-main.tokens.subscriber: a named token needs operations, since it is none of publish, publish_subscribe or subscribe (did you mean subscribe?)`,
		},
		"a named token without operations": {
			change(t, token, "studio-a:\n      studio-b: {operations: []}\n      studio-c: {operations: }"),
			`config.yaml:11:7: relays.live-main.tokens.studio-a: a named token needs operations, since it is none of publish, publish_subscribe or subscribe (for example operations: [subscribe])
config.yaml:12:18: relays.live-main.tokens.studio-b.operations: at least one operation is needed ([publish], [subscribe] or both)
config.yaml:13:18: relays.live-main.tokens.studio-c.operations: must be a list (write it as [one, two])`,
		},
		"operations that no token has": {
			change(t, token, "studio-a: {operations: [publish, Subscribe, publish, 7]}\n      Studio: {operations: [publish]}"),
			`config.yaml:11:40: relays.live-main.tokens.studio-a.operations[1]: an operation is 1 to 63 characters of a-z, 0-9, _, :, . and -, and starts with a letter, not "Subscribe"
config.yaml:11:51: relays.live-main.tokens.studio-a.operations[2]: this operation already stands in entry 1 (keep one of them)
config.yaml:11:60: relays.live-main.tokens.studio-a.operations[3]: an operation is 1 to 63 characters of a-z, 0-9, _, :, . and -, and starts with a letter, not "7"
config.yaml:12:7: relays.live-main.tokens.Studio: a name is 1 to 63 characters of a-z, 0-9, _ and -, and starts with a letter or digit`,
		},
		"operations of a type whose name says them": {
			change(t, token, "subscribe: {operations: [subscribe]}\n      publish: {operations: [publish]}"),
			`config.yaml:11:19: relays.live-main.tokens.subscribe.operations: the operations of subscribe are said by its name (remove them, or give the token a name of its own)
config.yaml:12:17: relays.live-main.tokens.publish.operations: the operations of publish are said by its name (remove them, or give the token a name of its own)`,
		},
		"tokens that the rotate endpoint does not know": {
			change(t, token, "publish: {strategy: in_place}\n      studio-a: {operations: [publish]}") + "    strategy: in_place\n",
			`config.yaml:11:17: relays.live-main.tokens.publish.strategy: strategy in_place knows only publish_subscribe and subscribe (give this token strategy: overlap)
config.yaml:12:7: relays.live-main.tokens.studio-a: strategy in_place knows only publish_subscribe and subscribe (give this token strategy: overlap)`,
		},
		"matching where another slot has the same operations": {
			change(t, token, "subscribe: {strategy: in_place}\n      viewer: {operations: [subscribe], retire: matching}\n      publish: {}"),
			`config.yaml:12:41: relays.live-main.tokens.viewer.retire: retire: matching would take over tokens of live-main/subscribe, which have the same operations (leave it out where two tokens of a relay may do the same)`,
		},
		"matching on a relay with tokens of the same operations": {
			change(t, token, "a: {operations: [publish, subscribe]}\n      publish_subscribe: {}\n      subscribe: {}") + "    retire: matching\n",
			`config.yaml:14:5: relays.live-main.retire: retire: matching would take over tokens of live-main/publish_subscribe, which have the same operations (leave it out where two tokens of a relay may do the same)`,
		},
		"more slots than a relay has places for": {
			change(t, token, "subscribe: {}\n      publish: {}\n      publish_subscribe: {}\n      a: &a {operations: [publish]}\n      b: *a\n      c: *a"),
			`config.yaml:10:5: relays.live-main.tokens: its 6 slots take 12 places at once, and a relay has 10 (under overlap a slot takes two, since the token before lives on for its grace; use several relays)`,
		},
		"a token in place of where it is": {
			change(t, "{env: CLOUDFLARE_API_TOKEN}", "abc"),
			`config.yaml:2:56: accounts.main.api_token: must say where the secret is found, not hold the secret (write {env: NAME}, {file: PATH} or {credential: NAME})`,
		},
		"two sources of one secret": {
			change(t, "{env: CLOUDFLARE_API_TOKEN}", "{env: A, file: b}"),
			`config.yaml:2:56: accounts.main.api_token: exactly one of env, file, credential must be given (write {env: NAME}, {file: PATH} or {credential: NAME})`,
		},
		"a token as the name of a variable": {
			change(t, "{env: CLOUDFLARE_API_TOKEN}", "{env: a-b.c}"),
			`config.yaml:2:68: accounts.main.api_token.env: must be the name of an environment variable (not its value)`,
		},
		"an account": {
			change(t, "account_id: 023e105f4ecef8ad9ca31a8372d0c353,", "account_id: 023E,\n    api_url: http://api.example, rate_limit: {requests: 0, per: 0s, share: 1.5},"),
			`config.yaml:2:10: accounts.main.account_id: must be 32 hex digits in lower case, not "023E" (it has 4 characters)
config.yaml:3:5: accounts.main.api_url: plain http would show the API token to the network (use https; http is for loopback alone)
config.yaml:3:47: accounts.main.rate_limit.requests: must be greater than 0, not 0
config.yaml:3:60: accounts.main.rate_limit.per: must be greater than 0
config.yaml:3:69: accounts.main.rate_limit.share: must be greater than 0 and at most 1, not 1.5`,
		},
		"ids of the right length": {
			change(t, testRelay, strings.ToUpper(testRelay)) + "  other: {id: g1b2c3d4e5f67890a1b2c3d4e5f67890, tokens: {publish: {}}}\n",
			`config.yaml:9:5: relays.live-main.id: must be 32 hex digits in lower case, not "A1B2C3D4E5F67890A1B2C3D4E5F67890" (write its letters in lower case)
config.yaml:12:11: relays.other.id: must be 32 hex digits in lower case (it has other characters than 0-9 and a-f)`,
		},
		"missing keys are placed at what lacks them": {
			change(t, "{account_id: 023e105f4ecef8ad9ca31a8372d0c353, api_token: {env: CLOUDFLARE_API_TOKEN}}", "{}") + "  empty: {}\n",
			`config.yaml:2:3: accounts.main.account_id: is required (32 hex digits, as the dashboard shows them)
config.yaml:2:3: accounts.main.api_token: exactly one of env, file, credential must be given (write {env: NAME}, {file: PATH} or {credential: NAME})
config.yaml:12:3: relays.empty.id: is required (32 hex digits, as the dashboard shows them)
config.yaml:12:3: relays.empty.tokens: a relay needs at least one token (publish_subscribe: {}, subscribe: {}, publish: {}, or one of your own name with operations)`,
		},
		"a misspelt key is not called missing as well": {
			change(t, "account_id:", "acount_id:"),
			`config.yaml:2:10: accounts.main.acount_id: unknown key (did you mean account_id?)`,
		},
		"names": {
			change(t, "live-main", "Live.Main") + "instance: not_ok\n",
			`config.yaml:8:3: relays.Live.Main: a name is 1 to 63 characters of a-z, 0-9, _ and -, and starts with a letter or digit
config.yaml:12:1: instance: must be 1 to 16 characters of a-z, 0-9 and -, not "not_ok"`,
		},
		"labels": {
			change(t, "    tokens:", "    labels: {a-b: x, team: video, n: 5}\n    tokens:"),
			`config.yaml:10:14: relays.live-main.labels.a-b: a label's name is made of letters, digits and _`,
		},
		"the server and the state": {
			base + "server: {listen: 9476, admin_socket: '', admin_socket_mode: rw}\nstate: {path: ''}\n",
			`config.yaml:12:10: server.listen: must be host:port, not "9476" (such as 127.0.0.1:9476, or "" to turn it off)
config.yaml:12:24: server.admin_socket: must be a path of at most 107 bytes
config.yaml:12:42: server.admin_socket_mode: must be permissions in octal, not "rw" (such as "0600")
config.yaml:13:9: state.path: must name a folder`,
		},
		"a sink's type": {
			change(t, "type: vault", "type: vaullt") + "",
			`config.yaml:5:10: sinks.safe.type: there is no type of sink called "vaullt" (did you mean vault?)`,
		},
		"a sink without a type, and one that is none": {
			change(t, "type: vault, ", "") + "",
			`config.yaml:5:3: sinks.safe.type: a sink needs a type (known: aws_secrets_manager, file, vault)`,
		},
		"a sink's own diagnostics": {
			change(t, "{type: vault,", "{type: vault, timeout: 0s, existing: keep, kv_version: two, auth: {token: {}, rolle: x},"),
			`config.yaml:5:23: sinks.safe.timeout: must be greater than 0
config.yaml:5:36: sinks.safe.existing: must be refuse or adopt, not "keep"
config.yaml:5:52: sinks.safe.kv_version: must be a whole number, not "two" (decimal digits, without quotes)
config.yaml:5:76: sinks.safe.auth.token: exactly one of env, file, credential must be given (say where it is)
config.yaml:5:87: sinks.safe.auth.rolle: unknown key (did you mean role?)`,
		},
		"references": {
			change(t, token, "subscribe: {sinks: [dsk, {path: x}]}\n    account: mian"),
			`config.yaml:11:27: relays.live-main.tokens.subscribe.sinks[0]: there is no sink called "dsk" (did you mean disk?)
config.yaml:11:32: relays.live-main.tokens.subscribe.sinks[1]: the sink's name is missing (write a name, or {sink: name, path: …, required: …})
config.yaml:12:5: relays.live-main.account: there is no account called "mian" (did you mean main?)`,
		},
		"no sink": {
			change(t, "{sinks: [disk]}", "{}"),
			`config.yaml:11:7: relays.live-main.tokens.subscribe.sinks: the slot has no sink (give sinks here, on the relay or in defaults)`,
		},
		"an empty list of sinks, and none required": {
			change(t, token, "subscribe: {sinks: []}\n      publish_subscribe: {sinks: [{sink: disk, required: false}]}"),
			`config.yaml:11:19: relays.live-main.tokens.subscribe.sinks: at least one sink is needed
config.yaml:12:27: relays.live-main.tokens.publish_subscribe.sinks: at least one sink must be required (leave out required: false for one of them)`,
		},
		"one target for two slots": {
			change(t, "/moq/{{.Relay}}/{{.Type}}", "/moq/{{.Relay}}") + "      publish_subscribe: {}\n",
			`config.yaml:11:7: relays.live-main.tokens.subscribe: its target in sink disk is also the target of live-main/publish_subscribe in sink disk (tell targets apart with {{.Relay}}, {{.Type}} or another path)`,
		},
		"one target twice in a slot": {
			change(t, token, "subscribe: {sinks: [disk, disk]}"),
			`config.yaml:11:7: relays.live-main.tokens.subscribe: its target in sink disk is also the target of live-main/subscribe in sink disk (tell targets apart with {{.Relay}}, {{.Type}} or another path)`,
		},
		"target templates": {
			change(t, token, "subscribe: {sinks: [{sink: disk, path: 'a b'}, {sink: safe, path: '{{.Relai}}'}]}"),
			`config.yaml:11:40: relays.live-main.tokens.subscribe.sinks[0].path: live-main/subscribe has no target in this sink: a target holds no spaces
config.yaml:11:67: relays.live-main.tokens.subscribe.sinks[1].path: live-main/subscribe has no target in this sink: template: template:1:2: executing "template" at <.Relai>: can't evaluate field Relai in type sinks.Names (words: .Relay .RelayID .Type .Account .AccountID .Instance; functions: dns, upper, lower, replace "a" "b")`,
		},
		"one relay twice": {
			base + "  other:\n    id: a1b2c3d4e5f67890a1b2c3d4e5f67890\n    tokens: {publish_subscribe: }\n",
			`config.yaml:13:5: relays.other.id: this relay of the account is already configured as relays.live-main (keep one of them)`,
		},
		"one account twice": {
			change(t, "sinks:\n", "  second: {account_id: 023e105f4ecef8ad9ca31a8372d0c353, api_token: {file: /x}}\nsinks:\n"),
			`config.yaml:3:12: accounts.second.account_id: this account is already configured as accounts.main (keep one of them)
config.yaml:9:3: relays.live-main.account: the relay has no account (give it here or in defaults; known: main, second)`,
		},
		"no account to choose": {
			change(t, "sinks:\n", "  second: {account_id: 123e105f4ecef8ad9ca31a8372d0c353, api_token: {file: /x}}\nsinks:\n"),
			`config.yaml:9:3: relays.live-main.account: the relay has no account (give it here or in defaults; known: main, second)`,
		},
		"a schedule": {
			change(t, token, "subscribe: {schedule: '0 4 * *'}\n      publish_subscribe: {schedule: manuel}"),
			`config.yaml:11:19: relays.live-main.tokens.subscribe.schedule: schedule "0 4 * *" has 4 fields: give 5 (minute hour day-of-month month day-of-week) or 6 (seconds first)
config.yaml:12:27: relays.live-main.tokens.publish_subscribe.schedule: schedule "manuel" has 1 fields: give 5 (minute hour day-of-month month day-of-week) or 6 (seconds first) (did you mean manual?)`,
		},
		"schedules that every token has another of": {
			strings.Replace(change(t, "{sinks: [disk]}\n", "{sinks: [disk], schedule: 0 4 * *}\n"), token,
				"subscribe: {schedule: manual}\n    schedule: weekly", 1),
			`config.yaml:6:27: defaults.schedule: schedule "0 4 * *" has 4 fields: give 5 (minute hour day-of-month month day-of-week) or 6 (seconds first)
config.yaml:12:5: relays.live-main.schedule: schedule "weekly" has 1 fields: give 5 (minute hour day-of-month month day-of-week) or 6 (seconds first)`,
		},
		"a default schedule, and no relays": {
			strings.Replace(change(t, base[strings.Index(base, "relays:"):], ""), "{sinks: [disk]}", "{schedule: 0 4 * *}", 1),
			`config.yaml:6:12: defaults.schedule: schedule "0 4 * *" has 4 fields: give 5 (minute hour day-of-month month day-of-week) or 6 (seconds first)`,
		},
		"a schedule below one second, and a time zone": {
			change(t, token, "subscribe: {schedule: '@every 10ms', timezone: Europe/Berlinn}"),
			`config.yaml:11:19: relays.live-main.tokens.subscribe.schedule: schedule "@every 10ms": the interval must be at least 1s
config.yaml:11:44: relays.live-main.tokens.subscribe.timezone: must be a time zone that is known here, not "Europe/Berlinn" (use a name such as UTC or Europe/Berlin)`,
		},
		"grace against the schedule": {
			change(t, token, "subscribe: {schedule: '0 */6 * * *', grace: 6h}"),
			`config.yaml:11:44: relays.live-main.tokens.subscribe.grace: grace (6h) must be shorter than the schedule's shortest gap (6h) (give this slot a shorter grace or a rarer schedule)`,
		},
		"a default grace against a token's schedule blames the nearer": {
			strings.Replace(change(t, "{sinks: [disk]}\n", "{sinks: [disk], grace: 12h}\n"), token, "subscribe: {schedule: '@hourly'}", 1),
			`config.yaml:11:19: relays.live-main.tokens.subscribe.schedule: grace (12h) must be shorter than the schedule's shortest gap (1h) (give this slot a shorter grace or a rarer schedule)`,
		},
		"settle and grace against the schedule": {
			change(t, token, "subscribe: {schedule: '@hourly', grace: 50m, settle: 10m}"),
			`config.yaml:11:52: relays.live-main.tokens.subscribe.settle: settle (10m) and grace (50m) together must be shorter than the schedule's shortest gap (1h) (give this slot a shorter settle or grace, or a rarer schedule)`,
		},
		"settle against the lifetime, where no schedule bounds it": {
			change(t, token, "subscribe: {schedule: manual, grace: 1h, lifetime: 1d, settle: 24h}\n      publish: {schedule: manual, settle: 400d}"),
			`config.yaml:11:62: relays.live-main.tokens.subscribe.settle: settle (24h) must be shorter than the token's lifetime (24h): it would expire before it is delivered (give this slot a shorter settle)
config.yaml:12:35: relays.live-main.tokens.publish.settle: settle (400d) must be shorter than the token's lifetime (365d): it would expire before it is delivered (give this slot a shorter settle)`,
		},
		"a default settle against a token's schedule blames the nearer": {
			strings.Replace(change(t, "{sinks: [disk]}\n", "{sinks: [disk], settle: 40m}\n"), token, "subscribe: {schedule: '@hourly'}", 1),
			`config.yaml:11:19: relays.live-main.tokens.subscribe.schedule: settle (40m) and grace (30m) together must be shorter than the schedule's shortest gap (1h) (give this slot a shorter settle or grace, or a rarer schedule)`,
		},
		"lifetime too short, with jitter and grace": {
			change(t, token, "subscribe: {schedule: '@every 24h', jitter: 1h, grace: 2h, lifetime: 27h}"),
			`config.yaml:11:66: relays.live-main.tokens.subscribe.lifetime: lifetime (27h) must exceed longest gap + jitter + grace (27h) (give a longer lifetime or leave it out)`,
		},
		"lifetime too long": {
			change(t, token, "subscribe: {schedule: manual, lifetime: 366d}"),
			`config.yaml:11:37: relays.live-main.tokens.subscribe.lifetime: must be at most one year (365d)`,
		},
		"no lifetime fits": {
			change(t, token, "subscribe: {schedule: '@yearly', lifetime: 365d}"),
			`config.yaml:11:40: relays.live-main.tokens.subscribe.lifetime: no lifetime can exceed longest gap + jitter + grace (367d): one year is the most (leave lifetime out, or give a more frequent schedule)`,
		},
		"a manual slot's lifetime within its grace": {
			change(t, token, "subscribe: {schedule: manual, grace: 3d, lifetime: 3d}"),
			`config.yaml:11:48: relays.live-main.tokens.subscribe.lifetime: lifetime (3d) must exceed longest gap + jitter + grace (3d) (give a longer lifetime or leave it out)`,
		},
		"what in_place has no use for": {
			change(t, token, "subscribe: {strategy: in_place, grace: 1h, settle: 5s, lifetime: 30d, retire: own}"),
			`config.yaml:11:39: relays.live-main.tokens.subscribe.grace: has no meaning under strategy in_place: the old token dies at once (remove it, or use strategy: overlap)
config.yaml:11:50: relays.live-main.tokens.subscribe.settle: has no meaning under strategy in_place: the old token dies at once (remove it, or use strategy: overlap)
config.yaml:11:62: relays.live-main.tokens.subscribe.lifetime: has no meaning under strategy in_place: the old token dies at once (remove it, or use strategy: overlap)
config.yaml:11:77: relays.live-main.tokens.subscribe.retire: has no meaning under strategy in_place: the old token dies at once (remove it, or use strategy: overlap)`,
		},
		"a fault in a merged template is told once": {
			change(t, token, "subscribe: &s {grase: 1h}\n      publish_subscribe: {<<: *s}"),
			`config.yaml:11:22: relays.live-main.tokens.subscribe.grase: unknown key (did you mean grace?)`,
		},
		"anchors": {
			base + "instance: &a x\nserver: {listen: *b}\nlog: {level: &a info, format: *c}\nmetrics: &c {<<: [*c, 5]}\n",
			`config.yaml:13:18: server.listen: no anchor of this name is defined above (define it with &name where it is first used, or put a text that begins with * in quotes)
config.yaml:14:14: another anchor has this name (give each its own)
config.yaml:14:31: log.format: no anchor of this name is defined above (define it with &name where it is first used, or put a text that begins with * in quotes)
config.yaml:15:23: metrics.<<: only mappings can be merged`,
		},
		"a tag": {
			base + "instance: !mine x\n",
			`config.yaml:12:11: instance: this YAML tag is not supported (remove it)`,
		},
		"keys of other kinds": {
			"instance: x\n? {a: b}\n: c\n",
			`config.yaml:2:3: a key must be a plain word`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := diagnosticsOf(t, test.text); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestATextThatIsNoYAMLIsOneDiagnostic(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":             {"", "config.yaml:1:1: the file is empty (config.example.yaml is one to start from)"},
		"comments only":     {"# nothing\n\n", "config.yaml:1:1: the file is empty (config.example.yaml is one to start from)"},
		"a list":            {"- a\n", "config.yaml:1:1: must be a mapping of keys to values"},
		"a word":            {"hello\n", "config.yaml:1:1: must be a mapping of keys to values"},
		"two documents":     {"instance: a\n---\ninstance: b\n", "config.yaml:2:1: not valid YAML: the file holds more than one YAML document (keep one)"},
		"an empty document": {"---\n---\ninstance: b\n", "config.yaml:2:1: not valid YAML: the file holds more than one YAML document (keep one)"},
		"a directive":       {"%YAML 1.2\n---\ninstance: b\n", "config.yaml:1:1: not valid YAML: YAML directives are not supported (remove the line)"},
		"tabs":              {"log:\n\tlevel: info\n", "config.yaml:2:1: not valid YAML: the line is indented with a tab (YAML is indented with spaces, not tabs)"},
		"Latin-1":           {"instance: a\n# caf\xe9\n", "config.yaml:2:6: the file is not UTF-8 text (save it as UTF-8)"},
		"UTF-16":            {"\xff\xfea\x00", "config.yaml:1:1: the file is not UTF-8 text (save it as UTF-8)"},
		"an open list":      {"instance: [", "config.yaml:1:11: instance: not valid YAML: the bracket that opens here is not closed (close it, and put commas between what it holds)"},
		"an open quote":     {"instance: \"abc\n", "config.yaml:1:11: instance: not valid YAML: the quote that opens here is not closed (close it on the same line)"},
		"deep flow":         {strings.Repeat("[", 100_000), "config.yaml:1:101: not valid YAML: this is nested too deeply"},
		"deep lists":        {strings.Repeat("- ", 100_000), "config.yaml:1:201: not valid YAML: this is nested too deeply"},
		"deep mappings":     {deepMapping(1100), "config.yaml:101:102: not valid YAML: this is nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := diagnosticsOf(t, test.text); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func deepMapping(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestAnAliasBombIsHarmless(t *testing.T) {
	var b strings.Builder
	b.WriteString("relays:\n  r0: &r0 {retire: own}\n")
	for i := 1; i < 60; i++ {
		last := " *r" + string(rune('0'+(i-1)/10)) + string(rune('0'+(i-1)%10))
		if i == 1 {
			last = " *r0"
		}
		b.WriteString("  r" + string(rune('0'+i/10)) + string(rune('0'+i%10)) + ": &r" + string(rune('0'+i/10)) + string(rune('0'+i%10)) +
			" {<<: [" + strings.Repeat(last+",", 9) + last + "]}\n")
	}
	if got := diagnosticsOf(t, b.String()); !strings.Contains(got, "relays.r59.id: is required") {
		t.Errorf("the last relay is not reached:\n%.300s", got)
	}
}

func TestWindowsLineEndsAndAByteOrderMarkAreRead(t *testing.T) {
	parse(t, "\ufeff"+strings.ReplaceAll(base, "\n", "\r\n"))
	got := diagnosticsOf(t, strings.ReplaceAll(base+"quux: 1\n", "\n", "\r\n"))
	if !strings.HasPrefix(got, "config.yaml:12:1: quux: unknown key") {
		t.Error(got)
	}
}

// What follows from a value that could not be read is not told beside it.
func TestWhatCannotBeReadIsToldAlone(t *testing.T) {
	const vault = "  v: {type: vault, path: '{{.Relay}}/{{.Type}}', "
	with := func(line, sinkRefs string) string {
		text := strings.Replace(base, "  safe: {type: vault, path: \"moq/{{.Relay}}/{{.Type}}\"}\n", line, 1)
		return strings.Replace(text, "sinks: [disk]", "sinks: "+sinkRefs, 1)
	}
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"a template without quotes":        {with(vault+"auth: {token: {env: T}}, fields: {token: {{.Token}}}}\n", "[v]"), 1},
		"a method that there is not":       {with(vault+"auth: {userpass: {}}}\n", "[v]"), 1},
		"two methods, one of them broken":  {with(vault+"auth: {token: {env: T}, jwt: {role: [r], token: {env: J}}}}\n", "[v]"), 2},
		"required that is no truth":        {with("", "[{sink: disk, required: 'yes'}]"), 1},
		"an unknown sink that is optional": {with("", "[{sink: nowhere, required: false}]"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("config.yaml", []byte(c.text), all.Specs())
			if list, _ := errors.AsType[Diagnostics](err); len(list) != c.want {
				t.Errorf("%d faults are told, want %d:\n%v", len(list), c.want, err)
			}
		})
	}
}
