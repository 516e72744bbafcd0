package slot

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestMomentsAreWrittenAsTimesInUTC(t *testing.T) {
	type times struct {
		A time.Time `json:"a"`
		B time.Time `json:"b,omitzero"`
	}
	type moments struct {
		A Timestamp `json:"a"`
		B Timestamp `json:"b,omitzero"`
	}
	local := time.Date(2026, 11, 23, 5, 0, 0, 1, time.FixedZone("", 3600))
	for _, at := range []time.Time{{}, local, local.Add(-1), local.AddDate(-100, 0, 0), time.Unix(1, 0)} {
		want, _ := json.Marshal(times{at.UTC(), at.UTC()})
		got, err := json.Marshal(moments{TimestampOf(at), TimestampOf(at)})
		if err != nil || string(got) != string(want) {
			t.Errorf("%s, %v; not %s", got, err, want)
		}
		inZone, _ := json.Marshal(times{at, at})
		var back moments
		if err := json.Unmarshal(inZone, &back); err != nil || !back.A.Time().Equal(at) || back.B != back.A {
			t.Errorf("%s is read as %v, %v", inZone, back, err)
		}
	}
	if err := json.Unmarshal([]byte(`"yesterday"`), new(Timestamp)); err == nil {
		t.Error("a word is read as a time")
	}
}

func TestAMomentOfATimeFarAwayIsTheLastOrFirst(t *testing.T) {
	for at, want := range map[time.Time]Timestamp{
		time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC): math.MaxInt64,
		time.Date(1, 2, 1, 0, 0, 0, 0, time.UTC):    math.MinInt64,
	} {
		if got := TimestampOf(at); got != want {
			t.Errorf("%s is %d", at, got)
		}
	}
}
