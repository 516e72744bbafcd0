package etcdjournal

import (
	"encoding/json"
	"reflect"
	"testing"
	"unsafe"

	"github.com/rotatord/rotatord/internal/slot"
)

func TestRecordsOfACopyShareTheirWords(t *testing.T) {
	var shared words
	var all []*slot.Record
	for n := range 3 {
		text, err := json.Marshal(recordAtRest(n))
		if err != nil {
			t.Fatal(err)
		}
		var want, got slot.Record
		for _, r := range []*slot.Record{&want, &got} {
			if err := json.Unmarshal(text, r); err != nil {
				t.Fatal(err)
			}
		}
		shared.shareWords(&got)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v became %+v", want, got)
		}
		all = append(all, &got)
	}
	at := func(s string) *byte { return unsafe.StringData(s) }
	first, last := all[0], all[2]
	if at(last.Receipts[1].Target.Location) != at(last.Rotation.Targets[1].Location) || at(last.Receipts[0].RotationID) != at(last.Rotation.ID) {
		t.Error("a record does not share its own")
	}
	if at(first.Key.AccountID) != at(last.Key.AccountID) || at(first.Rotation.Clock.Boot) != at(last.Rotation.Clock.Boot) {
		t.Error("records do not share what they have in common")
	}
}
