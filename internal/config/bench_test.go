package config

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

const fleetRelays = 50_000 // 100,000 slots

// fleet is a configuration of n relays with two slots each.
func fleet(n int) string {
	var b strings.Builder
	b.WriteString(base[:strings.Index(base, "relays:")] + "relays:\n")
	for i := range n {
		fmt.Fprintf(&b, "  relay-%d:\n    id: %032x\n    labels: {team: video}\n    tokens:\n      publish_subscribe: {}\n", i, i)
		fmt.Fprintf(&b, "      subscribe: {schedule: \"0 */6 * * *\", grace: 1h, sinks: [disk, safe]}\n")
	}
	return b.String()
}

func TestAFleetIsReadInPiecesAsItWouldBeWhole(t *testing.T) {
	const relays = 3000 // many pieces
	cfg, err := parseThoroughly("config.yaml", []byte(fleet(relays)), fakeSpecs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(cfg.Slots()); got != 2*relays {
		t.Fatalf("%d slots, want %d", got, 2*relays)
	}
	for i, s := range cfg.Slots()[:2] {
		if s.Schedule != cfg.Slots()[i+2].Schedule {
			t.Error("slots with one schedule do not share it")
		}
	}
}

func BenchmarkParseFleet(b *testing.B) {
	text := []byte(fleet(fleetRelays))
	b.SetBytes(int64(len(text)))
	before := heap()
	var cfg *Config
	for b.Loop() {
		var err error
		if cfg, err = Parse("config.yaml", text, fakeSpecs()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(heap()-before)/float64(len(cfg.Slots())), "retained-B/slot")
	runtime.KeepAlive(cfg)
}

// heap is what is reachable, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkResolveFleet is the part after decoding: defaults, checks, slots.
func BenchmarkResolveFleet(b *testing.B) {
	root, err := parseText([]byte(fleet(fleetRelays)))
	if err != nil {
		b.Fatal(err)
	}
	doc, cfg := newDocument(root), defaultConfig()
	decodeConfig(newDecoder(newCollector(""), doc, fakeSpecs()), cfg)
	for b.Loop() {
		found := newCollector("config.yaml")
		newChecker(cfg, found, doc, nil).check()
		if err := found.result(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkManySchedules is a fleet spread by hand over every minute of the day.
func BenchmarkManySchedules(b *testing.B) {
	for b.Loop() {
		c := newChecker(defaultConfig(), newCollector(""), nil, nil)
		for minute := range 60 * 24 {
			if _, err := c.timing(fmt.Sprintf("%d %d * * *", minute%60, minute/60), "Europe/Berlin"); err != nil {
				b.Fatal(err)
			}
		}
	}
}
