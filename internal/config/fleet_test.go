package config

import (
	"reflect"
	"strings"
	"testing"
)

// withRelays is the tests' configuration with other relays.
func withRelays(relays string) []byte {
	return []byte(base[:strings.Index(base, "relays:")] + "relays:\n" + relays)
}

const plainRelays = `  # the first of many
  live-1:
    id: 0123e45fb2c3d4e5f67890a1b2c3d4e5
    labels: {team: video, floor: 3, on: "true", note: 'a, b', plain_word: a.b-c/d}

    tokens:
      publish_subscribe:
      subscribe: {schedule: "0 */6 * * *", grace: 1h, sinks: [disk, {sink: safe, path: other/live, required: false}]}   
  live-2:   # by hand
      id: 00000000000000000000000000000012
      schedule: 30 4 * * 1,3   # early
      timezone: "Europe/Berlin"
      catch_up: false
      verify: true
      labels:
          team: audio
          empty: ""
      tokens:
          subscribe:
              jitter: 90s
  live-3: {id: "00000000000000000000000000000013", tokens: {subscribe: {}, publish_subscribe: {strategy: in_place}}, labels: {}}
`

func TestAPlainFleetIsReadAsThoroughReadingWould(t *testing.T) {
	for _, relays := range []string{
		plainRelays, strings.TrimRight(plainRelays, "\n"), plainRelays + "\n# the end\nlog: {level: debug}\n", fleet(20)[strings.Index(fleet(20), "relays:\n")+8:],
	} {
		text := withRelays(relays)
		want, err := parseThoroughly("config.yaml", text, fakeSpecs(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := parseFleet("config.yaml", text, fakeSpecs(), nil)
		if got == nil {
			t.Fatalf("not taken for plain:\n%s", relays)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read as %+v, want %+v", got, want)
		}
	}
}

func TestWhatIsNotPlainIsLeftToThoroughReading(t *testing.T) {
	const id = "00000000000000000000000000000012"
	relay := func(rest string) string { return "  live:\n    id: " + id + "\n    tokens: {subscribe: {}}\n" + rest }
	for name, relays := range map[string]string{
		"nothing there":            "",
		"an anchor":                relay("    labels: &l {team: video}\n"),
		"an alias":                 relay("    labels: *l\n"),
		"a merge":                  relay("    <<: {verify: true}\n"),
		"a tag":                    relay("    schedule: !!str manual\n"),
		"a block scalar":           relay("    schedule: |\n      manual\n"),
		"an escape":                relay("    schedule: \"man\\u0075al\"\n"),
		"a doubled quote":          relay("    schedule: 'man''ual'\n"),
		"a word over two lines":    relay("    schedule: 0 4\n      * * *\n"),
		"a list over lines":        relay("    sinks:\n      - disk\n"),
		"a flow over two lines":    relay("    sinks: [disk,\n      safe]\n"),
		"a tab":                    relay("    labels:\t{team: video}\n"),
		"a null":                   relay("    labels: {team: null}\n"),
		"a bool in other letters":  relay("    verify: True\n"),
		"a mapping in a plain key": relay("    labels: team: video\n"),
		"no blank after a colon":   relay("    labels: {team:video}\n"),
		"a comma too many":         relay("    sinks: [disk,]\n"),
		"text behind a quote":      relay("    schedule: \"manual\"x\n"),
		"a quoted key":             relay("    \"schedule\": manual\n"),
		"letters beyond ASCII":     relay("    labels: {team: vidéo}\n"),
		"carriage returns":         strings.ReplaceAll(relay(""), "\n", "\r\n"),
		"a name twice":             relay("") + strings.ReplaceAll(relay(""), id, id[:31]+"3"),
		"a key twice":              relay("    verify: true\n    verify: true\n"),
		"an unknown key":           relay("    verfy: true\n"),
		"a fault":                  relay("    grace: 1000d\n"),
		"something worth a word":   relay("    retire: matching\n"),
		"uneven indents":           relay("     verify: true\n"),
		"a second section":         relay("") + "relays:\n  other:\n    id: " + id[:31] + "3\n    tokens: {subscribe: {}}\n",
	} {
		if parseFleet("config.yaml", withRelays(relays), fakeSpecs(), nil) != nil {
			t.Errorf("%s: taken for plain", name)
		}
	}
}

func TestALargeFileWithAFaultSaysWhereItIs(t *testing.T) {
	text := fleet(fleetBytes/100) + "  last:\n    id: " + testRelay + "\n    tokens: {subscribe: {grce: 1h}}\n"
	_, err := Parse("config.yaml", []byte(text), fakeSpecs())
	if err == nil || !strings.Contains(err.Error(), "relays.last.tokens.subscribe.grce: unknown key") {
		t.Errorf("Parse gave %v", err)
	}
}

func FuzzAPlainFleet(f *testing.F) {
	f.Add(plainRelays)
	f.Fuzz(func(t *testing.T, relays string) {
		text := withRelays(relays)
		got := parseFleet("config.yaml", text, fakeSpecs(), nil)
		if got == nil {
			return
		}
		want, err := parseThoroughly("config.yaml", text, fakeSpecs(), nil)
		if err != nil {
			t.Fatalf("taken for plain, but %v", err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read as %+v, want %+v", got, want)
		}
	})
}
