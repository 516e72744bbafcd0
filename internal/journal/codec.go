package journal

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/internal/slot"
)

// A codec writes and reads a type's JSON exactly as encoding/json does, in a fraction
// of the time: a start reads a fleet's records, and a rotation writes its own several
// times. It knows plain text with the keys in the type's order, which is what it
// writes; whatever else it meets it leaves to encoding/json.
type codec[T any] struct{ shape }

func codecOf[T any]() codec[T] { return codec[T]{shapeOf(reflect.TypeFor[T]())} }

func (c codec[T]) appendTo(text []byte, from *T) ([]byte, error) {
	w := writer{text: text}
	c.write(&w, reflect.ValueOf(from).Elem())
	return w.text, w.err
}

// unmarshal reads text into a zero T. Its strings may be parts of text.
func (c codec[T]) unmarshal(text string, into *T) error {
	r := reader{text: text}
	c.read(&r, reflect.ValueOf(into).Elem())
	if !r.lost && r.at == len(text) {
		return nil
	}
	*into = *new(T)
	return json.Unmarshal([]byte(text), into)
}

var (
	recordCodec = codecOf[slot.Record]()
	eventCodec  = codecOf[slot.Event]()
)

// shape is how values of one type are written and read.
type shape struct {
	write func(*writer, reflect.Value)
	read  func(*reader, reflect.Value)
}

func shapeOf(t reflect.Type) shape {
	switch {
	case t == reflect.TypeFor[slot.Timestamp]():
		return shape{writeMoment, readMoment}
	case t == reflect.TypeFor[time.Time]():
		return shape{writeTime, readTime}
	case t == reflect.TypeFor[[]byte]():
		return shape{writeBytes, readBytes}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()):
		return shape{writeOther, readOther}
	}
	switch t.Kind() {
	case reflect.String:
		return shape{writeString, readString}
	case reflect.Bool:
		return shape{writeBool, readBool}
	case reflect.Int, reflect.Int64:
		return shape{writeInt, readInt}
	case reflect.Pointer:
		return pointerTo(shapeOf(t.Elem()))
	case reflect.Slice:
		return listOf(shapeOf(t.Elem()))
	case reflect.Struct:
		return object(fieldsOf(t, nil)).shape()
	}
	return shape{writeOther, readOther}
}

// object is the fields of a struct, in their order.
type object []field

type field struct {
	shape
	key   string // as it is written: quoted, with the colon
	index []int
	omit  func(reflect.Value) bool
}

// fieldsOf gives a type's fields, those of embedded structs in their place.
func fieldsOf(t reflect.Type, within []int) (out []field) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(within[:len(within):len(within)], i)
		if f.Anonymous {
			out = append(out, fieldsOf(f.Type, index)...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, field{shapeOf(f.Type), `"` + name + `":`, index, omission(options)})
	}
	return out
}

func omission(options string) func(reflect.Value) bool {
	switch options {
	case "omitempty":
		return empty
	case "omitzero":
		return reflect.Value.IsZero
	}
	return nil
}

func empty(v reflect.Value) bool {
	if k := v.Kind(); k == reflect.Slice || k == reflect.String {
		return v.Len() == 0
	}
	return v.IsZero()
}

// of gives the field's value in a struct.
func (f *field) of(v reflect.Value) reflect.Value {
	for _, i := range f.index {
		v = v.Field(i)
	}
	return v
}

func (o object) shape() shape { return shape{o.write, o.read} }

func (o object) write(w *writer, v reflect.Value) {
	w.put('{')
	first := true
	for i := range o {
		f := &o[i]
		value := f.of(v)
		if f.omit != nil && f.omit(value) {
			continue
		}
		if !first {
			w.put(',')
		}
		first = false
		w.text = append(w.text, f.key...)
		f.write(w, value)
	}
	w.put('}')
}

func (o object) read(r *reader, v reflect.Value) {
	r.want("{")
	for first := true; !r.end("}", first); first = false {
		for len(o) > 0 && !r.take(o[0].key) {
			o = o[1:]
		}
		if len(o) == 0 {
			r.lost = true
			return
		}
		o[0].read(r, o[0].of(v))
		o = o[1:]
	}
}

func pointerTo(s shape) shape {
	return shape{
		func(w *writer, v reflect.Value) {
			if v.IsNil() {
				w.null()
				return
			}
			s.write(w, v.Elem())
		},
		func(r *reader, v reflect.Value) {
			if r.take("null") {
				return
			}
			v.Set(reflect.New(v.Type().Elem()))
			s.read(r, v.Elem())
		},
	}
}

func listOf(s shape) shape {
	return shape{
		func(w *writer, v reflect.Value) {
			if v.IsNil() {
				w.null()
				return
			}
			w.put('[')
			for i := range v.Len() {
				if i > 0 {
					w.put(',')
				}
				s.write(w, v.Index(i))
			}
			w.put(']')
		},
		func(r *reader, v reflect.Value) {
			if r.take("null") {
				return
			}
			if r.take("[]") {
				v.Set(reflect.MakeSlice(v.Type(), 0, 0))
				return
			}
			r.want("[")
			for n := 0; !r.end("]", n == 0); n++ {
				v.Grow(1)
				v.SetLen(n + 1)
				s.read(r, v.Index(n))
			}
		},
	}
}

// writer collects the text.
type writer struct {
	text []byte
	err  error
}

func (w *writer) put(b byte) { w.text = append(w.text, b) }
func (w *writer) null()      { w.text = append(w.text, "null"...) }

func writeString(w *writer, v reflect.Value) {
	s := v.String()
	if !plain(s) {
		writeOther(w, v)
		return
	}
	w.put('"')
	w.text = append(w.text, s...)
	w.put('"')
}

// plain tells whether encoding/json writes s as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func writeBool(w *writer, v reflect.Value) { w.text = strconv.AppendBool(w.text, v.Bool()) }
func writeInt(w *writer, v reflect.Value)  { w.text = strconv.AppendInt(w.text, v.Int(), 10) }

func writeMoment(w *writer, v reflect.Value) { w.time(slot.Timestamp(v.Int()).Time()) }
func writeTime(w *writer, v reflect.Value)   { w.time(*v.Addr().Interface().(*time.Time)) }

func (w *writer) time(t time.Time) {
	w.put('"')
	text, err := t.AppendText(w.text)
	if err != nil {
		w.err = err
		return
	}
	w.text = text
	w.put('"')
}

func writeBytes(w *writer, v reflect.Value) {
	if v.IsNil() {
		w.null()
		return
	}
	w.put('"')
	w.text = base64.StdEncoding.AppendEncode(w.text, v.Bytes())
	w.put('"')
}

func writeOther(w *writer, v reflect.Value) {
	text, err := json.Marshal(v.Interface())
	if err != nil {
		w.err = err
	}
	w.text = append(w.text, text...)
}

// reader goes through a text. It is lost once it has met what it does not know.
type reader struct {
	text string
	at   int
	lost bool
}

// take takes s, if it comes next.
func (r *reader) take(s string) bool {
	if !strings.HasPrefix(r.text[r.at:], s) {
		return false
	}
	r.at += len(s)
	return true
}

func (r *reader) want(s string) { r.lost = !r.take(s) || r.lost }

// end takes what closes a list, or the comma before its next element.
func (r *reader) end(closing string, first bool) bool {
	if r.lost || r.take(closing) {
		return true
	}
	if !first {
		r.want(",")
	}
	return r.lost
}

// string takes a string that stands for itself, without its quotes.
func (r *reader) string() string {
	r.want(`"`)
	rest, every := r.text[r.at:], byte(0) // every has the bits that some byte has
	for i := range len(rest) {
		c := rest[i]
		if c == '"' {
			r.at += i + 1
			r.lost = r.lost || every >= utf8.RuneSelf && !utf8.ValidString(rest[:i])
			return rest[:i]
		}
		if c == '\\' || c < ' ' {
			break
		}
		every |= c
	}
	r.lost = true
	return ""
}

// word takes a number or a name.
func (r *reader) word() string {
	rest := r.text[r.at:]
	s := rest[:max(0, strings.IndexAny(rest, ",]}"))]
	r.at += len(s)
	return s
}

func readString(r *reader, v reflect.Value) { v.SetString(r.string()) }

func readBool(r *reader, v reflect.Value) {
	s := r.word()
	v.SetBool(s == "true")
	r.lost = r.lost || s != "true" && s != "false"
}

func readInt(r *reader, v reflect.Value) {
	s := r.word()
	n, err := strconv.ParseInt(s, 10, v.Type().Bits())
	v.SetInt(n)
	r.lost = r.lost || err != nil || strconv.FormatInt(n, 10) != s
}

func readMoment(r *reader, v reflect.Value) { v.SetInt(int64(slot.TimestampOf(r.time()))) }
func readTime(r *reader, v reflect.Value)   { *v.Addr().Interface().(*time.Time) = r.time() }

func (r *reader) time() (t time.Time) {
	err := t.UnmarshalText([]byte(r.string()))
	r.lost = r.lost || err != nil
	return t
}

func readBytes(r *reader, v reflect.Value) {
	if r.take("null") {
		return
	}
	s := r.string()
	size := max(0, base64.StdEncoding.DecodedLen(len(s))-strings.Count(s[max(0, len(s)-2):], "="))
	b, err := base64.StdEncoding.AppendDecode(make([]byte, 0, size), []byte(s))
	v.SetBytes(b)
	r.lost = r.lost || err != nil
}

// readOther lets encoding/json read the whole.
func readOther(r *reader, _ reflect.Value) { r.lost = true }
