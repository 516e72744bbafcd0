package journal

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

// arbitrary fills v with values of every kind; each is empty one time in three.
func arbitrary(v reflect.Value, n *rand.Rand) {
	if n.IntN(3) == 0 {
		return
	}
	if t, ok := v.Addr().Interface().(*time.Time); ok {
		*t = time.Unix(n.Int64N(4e9), n.Int64N(2)*n.Int64N(1e9)).In(time.FixedZone("", n.IntN(3)*1800))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(arbitraryText(n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(n.Int64() - n.Int64())
	case reflect.Uint8:
		v.SetUint(uint64(n.IntN(256)))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		arbitrary(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), n.IntN(4), 4))
		for i := range v.Len() {
			arbitrary(v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			arbitrary(v.Field(i), n)
		}
	default:
		panic("no values of " + v.Type().String() + " are known")
	}
}

func arbitraryText(n *rand.Rand) string {
	words := []string{"overlap", "3f9c0a", "file:/a b", "relais é", "<&>", "\"", "\\", "\u2028", "\xff", "\x7f", "\n", "{}", "null", ","}
	if n.IntN(4) > 0 {
		return words[n.IntN(4)]
	}
	return words[n.IntN(len(words))] + words[n.IntN(len(words))]
}

func sameAsEncodingJSON[T any](t *testing.T, c codec[T], from *T) {
	t.Helper()
	want, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.appendTo(nil, from)
	if err != nil || string(got) != string(want) {
		t.Fatalf("written as\n%s, %v\nnot\n%s", got, err, want)
	}
	readAsEncodingJSON(t, c, string(got))
}

func readAsEncodingJSON[T any](t *testing.T, c codec[T], text string) {
	t.Helper()
	var got, want T
	err, wantErr := c.unmarshal(text, &got), json.Unmarshal([]byte(text), &want)
	if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\nis read as\n%+v, %v\nnot\n%+v, %v", text, got, err, want, wantErr)
	}
}

func TestTheCodecIsThatOfEncodingJSON(t *testing.T) {
	n := rand.New(rand.NewPCG(1, 2))
	for range 2_000 {
		var r slot.Record
		arbitrary(reflect.ValueOf(&r).Elem(), n)
		sameAsEncodingJSON(t, recordCodec, &r)
		var e slot.Event
		arbitrary(reflect.ValueOf(&e).Elem(), n)
		sameAsEncodingJSON(t, eventCodec, &e)
	}
}

// Most of a fleet's records must not need encoding/json.
func TestTheCodecReadsWhatItWritesByItself(t *testing.T) {
	r := settled()
	text, err := recordCodec.appendTo(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	read := reader{text: string(text)}
	recordCodec.read(&read, reflect.ValueOf(&slot.Record{}).Elem())
	if read.lost || read.at != len(text) {
		t.Errorf("it is lost before %q", text[read.at:])
	}
}

func FuzzTheCodecReadsAsEncodingJSONDoes(f *testing.F) {
	text, err := recordCodec.appendTo(nil, settled())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	for _, padding := range []string{"=", "==", "a=", "a=="} {
		f.Add(strings.Replace(string(text), `"digest":"`, `"digest":"`+padding+`","x":"`, 1))
	}
	f.Fuzz(func(t *testing.T, text string) {
		readAsEncodingJSON(t, recordCodec, text)
		readAsEncodingJSON(t, eventCodec, text)
	})
}

// settled is a record such as a slot at rest has.
func settled() *slot.Record {
	at := slot.TimestampOf(day.Add(123456789))
	target := slot.Target{Sink: "disk", Target: "/run/tokens/live.json", Location: "file:/run/tokens/live.json", Required: true}
	digest := make([]byte, 32)
	token := slot.Token{
		ID: "5b1c6d0e9f7a4c3b8d2e1f0a9b8c7d6e", RotationID: "01kav8mqz0abcdefghjkmnpqrs", Created: at, Expires: at.Add(time.Hour), ServedDigests: [][]byte{digest},
	}
	return &slot.Record{
		Key: slotKey(1), FirstSeen: at, ScheduledThrough: at, LastRotation: at, Current: &token,
		Rotation: &slot.Rotation{
			ID: token.RotationID, Phase: slot.Verified, Strategy: "overlap", Cause: slot.CauseInitial, Instant: at, Started: at,
			MintedAt: at, Finished: at, Grace: time.Hour, Expires: at.Add(time.Hour), Verify: true, Targets: []slot.Target{target},
			Names: slot.Names{Relay: "live", Account: "main", Instance: "default"}, Token: &token,
		},
		Receipts: slot.Receipts{{Target: target, RotationID: token.RotationID, Digest: digest, At: at}},
	}
}

func BenchmarkCodec(b *testing.B) {
	r := settled()
	text, _ := json.Marshal(r)
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = recordCodec.appendTo(nil, r)
		}
	})
	b.Run("marshal/std", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(r)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = recordCodec.unmarshal(string(text), new(slot.Record))
		}
	})
	b.Run("unmarshal/std", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = json.Unmarshal(text, new(slot.Record))
		}
	})
}
