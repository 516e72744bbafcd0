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

func TestSlotsWithOneScheduleShareIt(t *testing.T) {
	const relays = 300
	cfg := parse(t, fleet(relays))
	if got := len(cfg.Plans()); got != 2*relays {
		t.Fatalf("%d slots, want %d", got, 2*relays)
	}
	for i, p := range cfg.Plans()[:2] {
		if p.Schedule != cfg.Plans()[i+2].Schedule {
			t.Error("slots with one schedule do not share it")
		}
	}
}

func BenchmarkParseFleet(b *testing.B) {
	text := []byte(fleet(fleetRelays))
	b.Run("YAML", func(b *testing.B) { benchmarkParse(b, text) })
	b.Run("JSON", func(b *testing.B) { benchmarkParse(b, asJSON(b, text)) })
}

func benchmarkParse(b *testing.B, text []byte) {
	b.SetBytes(int64(len(text)))
	before := heap()
	var cfg *Config
	for b.Loop() {
		var err error
		if cfg, err = Parse("config.yaml", text, fakeSpecs()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(heap()-before)/float64(len(cfg.Plans())), "retained-B/slot")
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
	doc, err := readDocument([]byte(fleet(fleetRelays)))
	if err != nil {
		b.Fatal(err)
	}
	cfg, found := defaultConfig(), newReport("config.yaml")
	newDecoder(found, doc, fakeSpecs()).decodeConfig(cfg)
	for b.Loop() {
		f := &pathReport{report: found, warnings: newReport(""), doc: doc}
		newResolver(cfg, f, validate(cfg, f), nil).makePlans()
		if err := found.result(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkManySchedules is a fleet spread by hand over every minute of the day.
func BenchmarkManySchedules(b *testing.B) {
	for b.Loop() {
		r := newResolver(defaultConfig(), &pathReport{report: newReport("")}, nil, nil)
		for minute := range 60 * 24 {
			if _, err := r.findTiming(fmt.Sprintf("%d %d * * *", minute%60, minute/60), "Europe/Berlin"); err != nil {
				b.Fatal(err)
			}
		}
	}
}
