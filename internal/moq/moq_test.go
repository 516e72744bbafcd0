package moq

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

func TestABuiltInTypesNameSaysItsOperations(t *testing.T) {
	for typ, want := range map[TokenType][]string{
		PublishSubscribe: {"publish", "subscribe"}, Subscribe: {"subscribe"}, Publish: {"publish"}, "studio-a": nil, "": nil,
	} {
		if got := typ.Operations(); !slices.Equal(got, want) || typ.BuiltIn() != (want != nil) {
			t.Errorf("%q: operations %v, built in: %t", typ, got, typ.BuiltIn())
		}
	}
	if !slices.IsSorted(BuiltInTypes()) || len(BuiltInTypes()) != 3 {
		t.Error(BuiltInTypes())
	}
}

func TestTheRotateEndpointKnowsTwoTypes(t *testing.T) {
	for typ, want := range map[TokenType]bool{PublishSubscribe: true, Subscribe: true, Publish: false, "studio-a": false} {
		if typ.RotatesInPlace() != want {
			t.Errorf("%s: %t", typ, !want)
		}
	}
}

func TestATokensOperationsAreCompared(t *testing.T) {
	for _, c := range []struct {
		operations []string
		want       bool
	}{
		{[]string{"publish", "subscribe"}, true},
		{[]string{"subscribe", "publish"}, true},
		{[]string{"publish"}, false},
		{[]string{"publish", "publish"}, false},
		{[]string{"publish", "subscribe", "admin"}, false},
		{nil, false},
	} {
		if got := (Token{Operations: c.operations}).HasOperations([]string{"publish", "subscribe"}); got != c.want {
			t.Errorf("%v: %t", c.operations, got)
		}
	}
}

func TestAnOperationIsAWordOfCloudflares(t *testing.T) {
	for word, want := range map[string]bool{
		"publish": true, "publish:track/1": false, "publish:track.1": true, "a": true, "a_b-c:d.e9": true, "": false,
		"Publish": false, "1a": false, "a b": false, "a\n": false, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false,
	} {
		if IsOperation(word) != want {
			t.Errorf("%q: %t", word, !want)
		}
	}
}

func TestKeyIsWrittenAccountRelayType(t *testing.T) {
	if got := (Key{"acc", "rel", Subscribe}).String(); got != "acc/rel/subscribe" {
		t.Error(got)
	}
}

func TestIDsAreThirtyTwoLowerHexDigits(t *testing.T) {
	good := strings.Repeat("0af9", 8)
	for id, want := range map[string]bool{
		good: true, "": false, good[1:]: false, good + "0": false, strings.ToUpper(good): false,
		good[:31] + "g": false, good[:31] + "/": false, good + "\n": false, "../" + good[3:]: false, good[:30] + "é": false,
	} {
		if IsID(id) != want {
			t.Errorf("IsID(%q) = %t", id, !want)
		}
	}
}

func TestRotationIDsSortByTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	var ids []string
	for i := range 1000 {
		id := NewRotationID(at.Add(time.Duration(i)*time.Millisecond), "")
		if !isRotationID(id) {
			t.Fatalf("%q is no rotation id", id)
		}
		ids = append(ids, id)
	}
	for _, years := range []int{1, 10, 100, 1000} {
		ids = append(ids, NewRotationID(at.AddDate(years, 0, 0), ""))
	}
	if !slices.IsSorted(ids) {
		t.Error("later ids sort before earlier ones")
	}
}

func TestRotationIDsSortAfterTheOneBeforeThoughTheClockWasSetBack(t *testing.T) {
	at := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	id := NewRotationID(at, "")
	for _, back := range []time.Duration{0, time.Second, 24 * time.Hour, 365 * 24 * time.Hour} {
		next := NewRotationID(at.Add(-back), id)
		if next <= id || !isRotationID(next) {
			t.Errorf("%s earlier: %s does not follow %s", back, next, id)
		}
		id = next
	}
	if next := NewRotationID(at, "no rotation id"); !isRotationID(next) {
		t.Errorf("after none: %q", next)
	}
}

func TestRotationIDsOfOneMomentDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		seen[NewRotationID(time.Unix(1_800_000_000, 0), "")] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("%d different ids of 10000", len(seen))
	}
}

func TestAMakerKnowsItsRotationIDsAgain(t *testing.T) {
	at := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	ours, other := NewMaker(), NewMaker()
	for id := ""; len(id) < 1000; {
		next := ours.NewRotationID(at, id[max(0, len(id)-26):])
		if !isRotationID(next) || !ours.Made(next) || other.Made(next) {
			t.Fatalf("%s is not known again as %x's alone", next, ours)
		}
		id += next
	}
	for _, bad := range []string{"", "no rotation id", NewRotationID(at, "")} {
		if ours.Made(bad) {
			t.Errorf("%q counts as made by %x", bad, ours)
		}
	}
}

func TestWhatIsNoRotationID(t *testing.T) {
	good := NewRotationID(time.Unix(1_800_000_000, 0), "")
	for _, bad := range []string{"", good[1:], good + "0", strings.ToUpper(good), "u" + good[1:], "-" + good[1:], good[:20] + "\n" + good[20:]} {
		if isRotationID(bad) {
			t.Errorf("%q counts as a rotation id", bad)
		}
	}
}

func TestLabelsNameTheirInstance(t *testing.T) {
	id := NewRotationID(time.Unix(1_800_000_000, 0), "")
	for _, instance := range []string{"default", "a", "eu-west-1-prod-a", "rotatord", "x-" + id[:12]} {
		label := Label(instance, id)
		if got, ok := LabelInstance(label); !ok || got != instance {
			t.Errorf("%q: instance %q, %t", label, got, ok)
		}
		if len(instance) <= 16 && len(label) > 64 {
			t.Errorf("%q is %d characters long, and 64 are safe", label, len(label))
		}
	}
}

func TestLabelsOfOthers(t *testing.T) {
	id := NewRotationID(time.Unix(1_800_000_000, 0), "")
	for _, label := range []string{
		"", "rotatord", "rotatord-", "rotatord-default", "rotatord-" + id, "rotatord--" + id, "rotatord-default" + id,
		"rotatord-default-" + id + "x", "rotatord-default-" + id[1:], "x-rotatord-default-" + id, "Rotatord-default-" + id,
		"rotatord-default-" + strings.ToUpper(id), "somebody's token",
	} {
		if instance, ok := LabelInstance(label); ok {
			t.Errorf("%q counts as %q's", label, instance)
		}
	}
}

func FuzzLabelInstance(f *testing.F) {
	f.Add("rotatord-default-01kav8mqz0abcdefghjkmnpqrs")
	f.Add("rotatord--")
	f.Fuzz(func(t *testing.T, label string) {
		instance, ok := LabelInstance(label)
		if ok && (instance == "" || !strings.HasPrefix(label, "rotatord-"+instance+"-")) {
			t.Errorf("%q: instance %q", label, instance)
		}
	})
}

func TestPriorityOrder(t *testing.T) {
	soon, late := time.Unix(1, 0), time.Unix(2, 0)
	inOrder := []Priority{
		{Urgency: Blackout, Deadline: soon}, {Urgency: Blackout}, {Urgency: Compromised, Deadline: late},
		{Urgency: Routine, Deadline: soon}, {Urgency: Routine, Deadline: late}, {Urgency: Routine},
	}
	for i, p := range inOrder {
		for j, q := range inOrder {
			if got := p.Less(q); got != (i < j) {
				t.Errorf("%+v before %+v: %t", p, q, got)
			}
		}
	}
	if (Priority{Revoke: true}).Less(Priority{}) || (Priority{}).Less(Priority{Revoke: true}) {
		t.Error("a revocation is ordered, though it has a turn of its own")
	}
}

func TestATokenPrintsWithoutItsValue(t *testing.T) {
	const canary = "canary-51c0"
	token := Token{ID: "id", Value: secret.New(canary)}
	if token.Value.Reveal() != canary {
		t.Fatal("the canary is not in the token: the test could not fail")
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, token); strings.Contains(text, canary) {
			t.Errorf("%s prints %s", format, text)
		}
	}
}
