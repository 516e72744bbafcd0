package rotation

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// everyString visits the strings of a value, for which it makes what they are in.
func everyString(v reflect.Value, visit func(reflect.Value)) {
	if !v.CanSet() {
		return // within a time
	}
	switch v.Kind() {
	case reflect.String:
		visit(v)
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		everyString(v.Elem(), visit)
	case reflect.Struct:
		for i := range v.NumField() {
			everyString(v.Field(i), visit)
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		}
		for i := range v.Len() {
			everyString(v.Index(i), visit)
		}
	}
}

// cutFrom is a record with all of its words cut from one text.
func cutFrom(text string) *slot.Record {
	r := &slot.Record{}
	everyString(reflect.ValueOf(r).Elem(), func(v reflect.Value) {
		v.SetString(text[:6])
		text = text[6:]
	})
	return r
}

func TestNoWordOfALoadedRecordKeepsTheTextItWasReadFrom(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "%06d", i)
	}
	text := b.String()
	start, words := uintptr(unsafe.Pointer(unsafe.StringData(text))), newStringSharer()
	planned := cutFrom(strings.Clone(text))
	for name, p := range map[string]*slot.Plan{
		"no plan": nil, "another plan": {Key: planned.Key}, "one target": {Key: planned.Key, Targets: planned.Rotation.Targets[1:]},
		"its plan":           {Key: planned.Key, Relay: planned.Rotation.Names.Relay, Targets: planned.Rotation.Targets},
		"its attempt's plan": {Key: planned.Key, Relay: planned.PendingMint.Names.Relay, Targets: planned.PendingMint.Targets},
	} {
		r := cutFrom(text)
		before, _ := json.Marshal(r)
		words.shareRecord(r, p)
		if after, _ := json.Marshal(r); string(after) != string(before) {
			t.Errorf("%s: it changed to\n%s\nfrom\n%s", name, after, before)
		}
		everyString(reflect.ValueOf(r).Elem(), func(v reflect.Value) {
			if at := uintptr(unsafe.Pointer(unsafe.StringData(v.String()))); at-start < uintptr(len(text)) {
				t.Errorf("%s: %s is still part of the text", name, v)
			}
		})
	}
}

func TestALoadedRecordNamesItsRotationByOneWord(t *testing.T) {
	id := func() string { return strings.Clone("01kav8mqz0abcdefghjkmnpqrs") }
	r := &slot.Record{
		Rotation: &slot.Rotation{ID: id()}, Current: &slot.Token{RotationID: id()},
		Receipts: slot.Receipts{{RotationID: id()}, {RotationID: id()}},
	}
	newStringSharer().shareRecord(r, nil)
	for i, word := range []string{r.Current.RotationID, r.Receipts[0].RotationID, r.Receipts[1].RotationID} {
		if unsafe.StringData(word) != unsafe.StringData(r.Rotation.ID) {
			t.Errorf("word %d is a copy", i)
		}
	}
}

func TestAfterATakeOverARecordSharesTheWordsOfItsPlan(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.withReplicas([2]time.Duration{})
	w.start()
	w.run(time.Hour)
	w.restart(func() {})
	for name, words := range map[string][2]string{
		"a rotation's target": {w.rec().Rotation.Targets[0].Location, w.plan.Targets[0].Location},
		"a receipt's target":  {w.rec().Receipts[0].Location, w.plan.Targets[0].Location},
		"the relay's name":    {w.rec().Rotation.Names.Relay, w.plan.Relay},
	} {
		if words[0] != words[1] || unsafe.StringData(words[0]) != unsafe.StringData(words[1]) {
			t.Errorf("%s: %q is a copy of %q", name, words[0], words[1])
		}
	}
}
