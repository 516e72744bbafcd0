package slot

import (
	"reflect"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

func planOf(relay, id string, change func(*Plan)) *Plan {
	p := &Plan{
		Policy: &Policy{Account: "main", Strategy: moq.Overlap, Grace: time.Hour},
		Key:    moq.Key{AccountID: "a", RelayID: id, Type: moq.Subscribe}, Relay: relay, Expr: "@daily",
	}
	if change != nil {
		change(p)
	}
	return p
}

func TestWhatAReloadChangesOfTheSlots(t *testing.T) {
	plain := func(relay string) *Plan { return planOf(relay, relay, nil) }
	for name, c := range map[string]struct {
		old, next []*Plan
		want      Changes
	}{
		"nothing": {[]*Plan{plain("a"), plain("b")}, []*Plan{plain("a"), plain("b")}, Changes{}},
		"some leave, some come": {
			[]*Plan{plain("a"), plain("b"), plain("d")}, []*Plan{plain("b"), plain("c"), plain("e")},
			Changes{Added: []string{"c/subscribe", "e/subscribe"}, Removed: []string{"a/subscribe", "d/subscribe"}},
		},
		"the first configuration": {nil, []*Plan{plain("a")}, Changes{Added: []string{"a/subscribe"}}},
		"a new name": {
			[]*Plan{planOf("a", "1", nil), plain("b")}, []*Plan{plain("b"), planOf("c", "1", nil)},
			Changes{Changed: []Change{{"c/subscribe", []string{"name"}}}},
		},
		"another relay under a name": {
			[]*Plan{planOf("a", "1", nil)}, []*Plan{planOf("a", "2", nil)},
			Changes{Changed: []Change{{"a/subscribe", []string{"id"}}}},
		},
		"settings": {
			[]*Plan{plain("a"), plain("b")}, []*Plan{plain("a"), planOf("b", "b", func(p *Plan) { p.Grace, p.Expr = 0, "@hourly"; p.Schedule = everyHour{} })},
			Changes{Changed: []Change{{"b/subscribe", []string{"schedule", "grace"}}}},
		},
	} {
		if got := ComparePlans(c.old, c.next); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

type everyHour struct{}

func (everyHour) Next(t time.Time) time.Time      { return t.Add(time.Hour) }
func (everyHour) Latest(_, t time.Time) time.Time { return t.Truncate(time.Hour) }

// A field that is added to the policy gets a key here, too.
func TestWhateverDiffersBetweenTwoPlansHasAKey(t *testing.T) {
	typ := reflect.TypeFor[Policy]()
	for f := range typ.Fields() {
		other := planOf("a", "a", func(p *Plan) { change(reflect.ValueOf(p.Policy).Elem().FieldByIndex(f.Index)) })
		keys := planOf("a", "a", nil).differingKeys(other)
		if derived := f.Name == "LeastLife"; len(keys) != 1 && !derived || derived && len(keys) != 0 {
			t.Errorf("%s: %q", f.Name, keys)
		}
	}
	for name, f := range map[string]func(*Plan){
		"account": func(p *Plan) { p.Key.AccountID = "b" }, "labels": func(p *Plan) { p.Labels = map[string]string{"a": "b"} },
		"operations": func(p *Plan) { p.Operations = []string{"publish"} }, "sinks": func(p *Plan) { p.Targets = []Target{{Sink: "disk"}} },
	} {
		if keys := planOf("a", "a", nil).differingKeys(planOf("a", "a", f)); !reflect.DeepEqual(keys, []string{name}) {
			t.Errorf("%s: %q", name, keys)
		}
	}
}

func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("another")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	default:
		v.SetInt(v.Int() + 1)
	}
}
