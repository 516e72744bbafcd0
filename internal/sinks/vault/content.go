package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/transport"
)

// maxSize is the largest content, in bytes, that every storage of Vault takes. Twice as much
// can be read of an answer, in which a content may be longer.
const maxSize = transport.MaxAnswer / 2

// fieldTemplates are those of a secret's fields; none: every field of the record.
type fieldTemplates map[string]string

func (f fieldTemplates) render(t *sinks.Templates, record sinks.Record) (secret.Value, error) {
	out := map[string]any{}
	if len(f) == 0 {
		for _, f := range record.Fields() {
			out[f.Key] = f.Value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		v, err := t.RenderRecord(f[name], record)
		if err != nil {
			return secret.Value{}, fmt.Errorf("field %s: %w", name, err)
		}
		out[name] = v.Reveal()
	}
	return encodeFields(out)
}

// fieldNames tells which fields are ours.
func (f fieldTemplates) fieldNames() map[string]bool {
	out := map[string]bool{}
	for name := range f {
		out[name] = true
	}
	if len(f) == 0 {
		for _, f := range (sinks.Record{}).Fields() {
			out[f.Key] = true
		}
	}
	return out
}

// encodeFields encodes fields as one JSON object with sorted keys: equal contents
// are equal bytes.
func encodeFields(fields map[string]any) (secret.Value, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		return secret.Value{}, err
	}
	return secret.New(strings.TrimSuffix(b.String(), "\n")), nil
}

func parseContent(content secret.Value) (map[string]any, error) {
	var out map[string]any
	dec := json.NewDecoder(strings.NewReader(content.Reveal()))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil || len(out) == 0 {
		return nil, fault.Newf(fault.Permanent, fault.Internal, "", "", "the content is not a JSON object of fields")
	}
	return out, nil
}

// selectFields returns the fields that are ours.
func selectFields(fields map[string]any, ours map[string]bool) map[string]any {
	out := map[string]any{}
	for name, v := range fields {
		if ours[name] {
			out[name] = v
		}
	}
	return out
}

// mergeFields returns theirs, overlaid with ours.
func mergeFields(theirs, ours map[string]any) map[string]any {
	out := maps.Clone(theirs)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, ours)
	return out
}

func equalFields(a, b map[string]any) bool {
	x, errX := encodeFields(a)
	y, errY := encodeFields(b)
	return errX == nil && errY == nil && x.Equal(y)
}
