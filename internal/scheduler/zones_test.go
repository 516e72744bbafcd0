package scheduler

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

// Zone data comes in two shapes. Go's own, which the binary brings along, names changes of the past and gives a rule
// for the years to come; Debian's names every change up to 2037. Each zone is judged here with both.
const (
	zonesFrom  = "2025-01-01T00:00:00Z"
	zonesAgree = "2037-12-31T00:00:00Z" // where Debian's begins to go by the rule
	zonesTo    = "2076-01-01T00:00:00Z"
)

type zone struct {
	loc *time.Location
	sum [sha256.Size]byte // of its data
}

// change is an instant from which on the clock has another offset.
type change struct {
	at     int64
	offset int
}

func TestAPeriodEndsWhereTheClockChangesInEveryZone(t *testing.T) {
	from, to := instant(t, zonesFrom), instant(t, zonesTo)
	everyZone(t, func(t *testing.T, loc *time.Location) {
		p := spanAt(from, loc)
		got := []change{{from.Unix(), int(p.offset.Seconds())}}
		for ; !p.appliesAt(to); p = spanAt(p.end, loc) {
			if next := spanAt(p.end, loc); next.offset != p.offset {
				got = append(got, change{p.end.Unix(), int(next.offset.Seconds())})
			}
		}
		if want := clockChanges(loc, from, to); !slices.Equal(got, want) {
			t.Errorf("%s: the clock changes at\n%v\nand not at\n%v", loc, want, got)
		}
	})
}

// Around each change, and each New Year, where a zone that goes by its rule begins anew.
func TestEveryZoneKeepsToTheDefinitionOverFiftyYears(t *testing.T) {
	const around = 4 * time.Hour
	from, to := instant(t, zonesFrom), instant(t, zonesTo)
	judged := map[string]bool{} // many zones have the same clock
	everyZone(t, func(t *testing.T, loc *time.Location) {
		changes := clockChanges(loc, from, to)
		if judged[fmt.Sprint(changes)] {
			return
		}
		judged[fmt.Sprint(changes)] = true
		schedules := []*Schedule{mustParse(t, "*/15 0-22 * * *", loc), mustParse(t, "15,30 * * * *", loc)}
		for _, at := range append(newYears(from, to), instantsAt(changes[1:])...) {
			for _, s := range schedules {
				got := instantsOf(s, at.Add(-around), at.Add(around))
				if want := definedAt(s, at.Add(-around), at.Add(around), 15*time.Minute); !slices.EqualFunc(got, want, time.Time.Equal) {
					t.Errorf("%s in %s:\n got %v\nwant %v", s, loc, got, want)
				}
			}
		}
	})
}

func TestNoScheduleDependsOnWhereZoneDataComesFrom(t *testing.T) {
	from, to := instant(t, zonesFrom), instant(t, zonesAgree)
	own, system := goZones(t), systemZones(t)
	judged, other := map[string]bool{}, 0
	for name, b := range system {
		a, clock := own[name], clockChanges(b.loc, from, to)
		if !slices.Equal(clock, clockChanges(a.loc, from, to)) {
			other++ // data of another year, before or after a government's decision
			continue
		}
		if !judged[fmt.Sprint(clock)] {
			sameInBoth(t, a.loc, b.loc, from, to)
		}
		judged[fmt.Sprint(clock)] = true
	}
	if other > len(system)/20 {
		t.Errorf("of %d zones, %d have other data", len(system), other)
	}
}

func sameInBoth(t *testing.T, a, b *time.Location, from, to time.Time) {
	t.Helper()
	for _, expr := range []string{"30 2 * * 0", "30 0 * * 5", "45 * 31 12 *"} {
		s, other := mustParse(t, expr, a), mustParse(t, expr, b)
		if got, want := instantsOf(s, from, to), instantsOf(other, from, to); !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s in %s:\n got %v\nwant %v", expr, a, got, want)
		}
		shortest, longest := s.Gaps(from)
		if low, high := other.Gaps(from); low != shortest || high != longest {
			t.Errorf("%s in %s: gaps of %s to %s, and of %s to %s", expr, a, shortest, longest, low, high)
		}
	}
	if one, two := changesOf(a, from, to), changesOf(b, from, to); one != two {
		t.Errorf("%s: %+v and %+v", a, one, two)
	}
}

// Measured from the last day of a leap year, all loops over periods meet it at once.
func TestTheLastDayOfALeapYearPasses(t *testing.T) {
	for _, at := range []string{"2028-12-30T23:59:59Z", "2028-12-31T00:00:00Z", "2028-12-31T23:59:59.5Z", "2400-12-31T12:00:00Z"} {
		for _, name := range []string{"Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Tokyo"} {
			from, loc := instant(t, at), goZones(t)[name].loc
			for _, expr := range []string{"0 4 * * *", "30 * * * *"} {
				s := mustParse(t, expr, loc)
				want := definedAt(s, from.Truncate(time.Minute), from.Add(49*time.Hour), time.Minute)
				if got := instantsOf(s, from, from.Add(49*time.Hour)); !slices.EqualFunc(got, want, time.Time.Equal) {
					t.Errorf("%s in %s after %s:\n got %v\nwant %v", expr, name, at, got, want)
				}
			}
		}
	}
}

func everyZone(t *testing.T, judge func(*testing.T, *time.Location)) {
	for source, list := range map[string]map[string]zone{"of Go": goZones(t), "of the system": systemZones(t)} {
		t.Run(source, func(t *testing.T) {
			seen := map[[sha256.Size]byte]bool{} // half of the names are others for the same
			for _, z := range list {
				if !seen[z.sum] {
					judge(t, z.loc)
				}
				seen[z.sum] = true
			}
		})
	}
}

// clockChanges begins with the offset at from, looks at it week by week, and finds the second at which it changed.
func clockChanges(loc *time.Location, from, to time.Time) []change {
	const week = 7 * 24 * 3600
	offset := func(at int64) int { _, seconds := time.Unix(at, 0).In(loc).Zone(); return seconds }
	list := []change{{from.Unix(), offset(from.Unix())}}
	for low := from.Unix(); low < to.Unix(); low += week {
		before := offset(low)
		if offset(low+week) == before {
			continue
		}
		seconds := sort.Search(week, func(n int) bool { return offset(low+int64(n)) != before })
		list = append(list, change{low + int64(seconds), offset(low + week)})
	}
	return list
}

func instantsAt(changes []change) (list []time.Time) {
	for _, c := range changes {
		list = append(list, time.Unix(c.at, 0))
	}
	return list
}

func newYears(from, to time.Time) (list []time.Time) {
	for at := from; at.Before(to); at = at.AddDate(1, 0, 0) {
		list = append(list, at)
	}
	return list
}

func instantsOf(s *Schedule, from, to time.Time) (list []time.Time) {
	for at := s.Next(from); !at.After(to); at = s.Next(at) {
		list = append(list, at)
	}
	return list
}

// goZones are the zones of Go's own data.
func goZones(t *testing.T) map[string]zone {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	list := map[string]zone{}
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		list[f.Name] = readZone(t, f.Name, r)
	}
	return list
}

// systemZones are the same zones in the machine's own data; none where it has none.
func systemZones(t *testing.T) map[string]zone {
	t.Helper()
	list := map[string]zone{}
	for name := range goZones(t) {
		if f, err := os.Open(filepath.Join("/usr/share/zoneinfo", name)); err == nil {
			list[name] = readZone(t, name, f)
		}
	}
	return list
}

func readZone(t *testing.T, name string, r io.ReadCloser) zone {
	t.Helper()
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	loc, err := time.LoadLocationFromTZData(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return zone{loc, sha256.Sum256(data)}
}
