package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

const (
	durationSchema = `^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d|w))+)$`
	defPrefix      = "#/$defs/"
)

// generateSchema makes the JSON Schema of the configuration, for editors, with the types of sinks
// that specs makes, from the types that the file is decoded into. It is for tests alone, which keep
// deploy/config.schema.json up to date: the program carries that file and not the generator.
func generateSchema(specs map[string]func() sinks.Spec) ([]byte, error) {
	comments, err := fieldComments()
	if err != nil {
		return nil, err
	}
	r := reflector(comments)
	r.ExpandedStruct = true
	s := r.Reflect(&Config{})
	s.Title = "rotatord configuration"
	maps.Copy(s.Definitions, sharedDefinitions(specs, comments))
	nameKeys(s)
	splitTokens(s.Definitions)
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		admitAsDecoded(p.Value)
	}
	for _, d := range s.Definitions {
		admitAsDecoded(d)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), err
}

// commentFunc returns the comment of a type's field.
type commentFunc func(t reflect.Type, field string) string

// reflector takes keys from the yaml tags and descriptions from the fields' comments.
func reflector(comments commentFunc) *jsonschema.Reflector {
	return &jsonschema.Reflector{
		Anonymous: true, Mapper: mapType, FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, LookupComment: comments,
	}
}

// fieldComments reads the comments of fields; types' own are for programmers.
func fieldComments() (commentFunc, error) {
	source := &jsonschema.Reflector{}
	for _, folder := range []string{".", "../secret", "../sinks"} {
		if err := source.AddGoComments(reflect.TypeFor[Config]().PkgPath(), folder); err != nil {
			return nil, err
		}
	}
	return func(t reflect.Type, field string) string {
		if real, ok := realTypes()[t]; ok {
			t = real
		}
		return strings.ReplaceAll(source.CommentMap[t.PkgPath()+"."+t.Name()+"."+field], "\n", " ")
	}, nil
}

// mapType writes the types that the decoder reads in a way of its own.
func mapType(t reflect.Type) *jsonschema.Schema {
	switch t {
	case durationType:
		return &jsonschema.Schema{Type: "string", Pattern: durationSchema}
	case sourceType:
		return ref("Secret")
	case reflect.TypeFor[SinkRef]():
		return ref("SinkRef")
	}
	return nil
}

func ref(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: defPrefix + name} }

// The same structs under other names, which mapType lets through.
type (
	sourceObject  secret.Source
	sinkRefObject SinkRef
)

func realTypes() map[reflect.Type]reflect.Type {
	return map[reflect.Type]reflect.Type{
		reflect.TypeFor[sourceObject](): sourceType, reflect.TypeFor[sinkRefObject](): reflect.TypeFor[SinkRef](),
	}
}

func sharedDefinitions(specs map[string]func() sinks.Spec, comments commentFunc) jsonschema.Definitions {
	one := uint64(1)
	source := object(sourceObject{}, comments)
	source.MinProperties, source.MaxProperties = &one, &one
	source.Description = "Where a secret is found: exactly one of the keys."
	defs := jsonschema.Definitions{
		"Secret":  source,
		"SinkRef": {OneOf: []*jsonschema.Schema{{Type: "string"}, object(sinkRefObject{}, comments)}},
	}
	union := &jsonschema.Schema{Type: "object", Required: []string{"type"}}
	for _, kind := range sortedNames(specs) {
		spec := object(specs[kind](), comments)
		if t, ok := spec.Properties.Get("type"); ok {
			t.Type, t.Const = "", kind
		}
		defs["Sink_"+kind] = spec
		union.OneOf = append(union.OneOf, ref("Sink_"+kind))
	}
	defs["Sink"] = union
	return defs
}

// object reflects one struct, all that it holds in place.
func object(v any, comments commentFunc) *jsonschema.Schema {
	r := reflector(comments)
	r.DoNotReference, r.ExpandedStruct = true, true
	s := r.Reflect(v)
	s.Version = ""
	return s
}

// nameKeys bounds the names of accounts, sinks and relays; a sink is one of the
// union, which cannot be reflected.
func nameKeys(s *jsonschema.Schema) {
	for _, key := range []string{"accounts", "sinks", "relays"} {
		if p, ok := s.Properties.Get(key); ok {
			p.PropertyNames = &jsonschema.Schema{Pattern: namePattern.String()}
		}
	}
	if p, ok := s.Properties.Get("sinks"); ok {
		p.AdditionalProperties = ref("Sink")
	}
}

// splitTokens tells the tokens of built-in types, whose names say their operations and after whose
// colon nothing need stand, from named ones, which must have operations.
func splitTokens(defs jsonschema.Definitions) {
	named := *defs["Token"]
	named.Properties = jsonschema.NewProperties()
	for p := defs["Token"].Properties.Oldest(); p != nil; p = p.Next() {
		named.Properties.Set(p.Key, p.Value)
	}
	one := uint64(1)
	operations, _ := named.Properties.Get("operations")
	operations.MinItems, operations.UniqueItems, operations.Items.Pattern = &one, true, moq.OperationPattern
	named.Required = []string{"operations"}
	defs["Token"].Properties.Delete("operations")
	defs["NamedToken"] = &named

	tokens, _ := defs["Relay"].Properties.Get("tokens")
	tokens.MinProperties, tokens.PropertyNames = &one, &jsonschema.Schema{Pattern: namePattern.String()}
	tokens.AdditionalProperties, tokens.Properties = ref("NamedToken"), jsonschema.NewProperties()
	for _, t := range moq.BuiltInTypes() {
		tokens.Properties.Set(string(t), &jsonschema.Schema{
			AnyOf: []*jsonschema.Schema{ref("Token"), {Type: "null"}}, Description: meaningOf[t],
		})
	}
}

var meaningOf = map[moq.TokenType]string{
	moq.PublishSubscribe: "Full access.", moq.Subscribe: "Read only.", moq.Publish: "Write only, for an encoder.",
}

// admitAsDecoded admits what the decoder takes beside what a key's type says: nothing behind a key whose mapping may be
// empty, numbers in a mapping of the user's own keys, ids in digits, and 0 without a unit.
func admitAsDecoded(s *jsonschema.Schema) {
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		switch p.Key {
		case "owner", "group", "admin_socket_group":
			admitTypes(p.Value, "string", "integer")
		case "jitter", "grace", "settle":
			admitTypes(p.Value, "string", "integer")
			p.Value.Minimum, p.Value.Maximum = "0", "0"
		case "labels":
			p.Value.PropertyNames = &jsonschema.Schema{Pattern: labelPattern.String()}
		case "auth":
			one := uint64(1)
			p.Value.MinProperties = &one
		}
		admitAsDecoded(p.Value)
	}
	if v := s.AdditionalProperties; v != nil && v.Type == "string" {
		admitTypes(v, "string", "number", "boolean")
	}
	if s.Type == "object" && len(s.Required) == 0 && s.MinProperties == nil {
		admitTypes(s, "object", "null")
	}
}

// admitTypes lets a value be of any of several types, of which the library has words for one alone.
func admitTypes(s *jsonschema.Schema, types ...string) {
	s.Type, s.Extras = "", map[string]any{"type": types}
}
