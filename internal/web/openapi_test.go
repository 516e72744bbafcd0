package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// description is the served file, as JSON has it.
type description struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
}

func servedDescription(t *testing.T) description {
	t.Helper()
	w := ask(New(options(newDaemon())).adminHandler(), "GET", "/api/v1/openapi.yaml", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/yaml" {
		t.Fatalf("got %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	var tree any
	if err := yaml.Unmarshal(w.Body.Bytes(), &tree); err != nil {
		t.Fatal(err)
	}
	doc := must(jsonschema.UnmarshalJSON(bytes.NewReader(must(json.Marshal(tree)))))
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem:///openapi", doc); err != nil {
		t.Fatal(err)
	}
	return description{doc.(map[string]any), c}
}

// at returns what is at the end of a way of keys.
func (d description) at(t *testing.T, keys ...string) map[string]any {
	t.Helper()
	node := d.doc
	for _, key := range keys {
		next, ok := node[key].(map[string]any)
		if !ok {
			t.Fatalf("there is no %q of %q", key, keys)
		}
		if ref, ok := next["$ref"].(string); ok {
			next = d.at(t, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
		node = next
	}
	return node
}

func TestTheDescriptionHasEveryRouteAndNoOther(t *testing.T) {
	s, d := New(options(newDaemon())), servedDescription(t)
	var served, described []string
	for _, r := range slices.Concat(s.healthRoutes(), s.commonRoutes(), s.adminRoutes()) {
		if r.path == "/{$}" || strings.HasPrefix(r.path, "/slots/") {
			continue // pages, for people
		}
		if r.get != nil {
			served = append(served, "get "+r.path)
		}
		if r.post != nil {
			served = append(served, "post "+r.path)
		}
	}
	for path, item := range d.at(t, "paths") {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				described = append(described, method+" "+path)
			}
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served:\n%s\ndescribed:\n%s", strings.Join(served, "\n"), strings.Join(described, "\n"))
	}
}

func TestEveryAnswerIsAsItIsDescribed(t *testing.T) {
	d := servedDescription(t)
	for _, tt := range []struct {
		method, path, target, body string
		status                     int
	}{
		{"get", "/-/healthy", "/-/healthy", "", 200},
		{"get", "/-/ready", "/-/ready", "", 503},
		{"post", "/-/reload", "/-/reload", "", 200},
		{"post", "/-/reload", "/-/reload?now=1", "", 400},
		{"get", "/api/v1/slots", "/api/v1/slots", "", 200},
		{"get", "/api/v1/slots/{relay}/{type}", "/api/v1/slots/live/subscribe", "", 200},
		{"get", "/api/v1/slots/{relay}/{type}", "/api/v1/slots/none/subscribe", "", 404},
		{"post", "/api/v1/slots/{relay}/{type}/rotate", "/api/v1/slots/live/subscribe/rotate", `{"compromised": true}`, 202},
		{"post", "/api/v1/slots/{relay}/{type}/rotate", "/api/v1/slots/live/subscribe/rotate?compromised=true", "", 400},
		{"get", "/api/v1/history", "/api/v1/history", "", 200},
		{"get", "/api/v1/history", "/api/v1/history?limit=0", "", 400},
		{"get", "/api/v1/tokens/{relay}", "/api/v1/tokens/live", "", 200},
		{"post", "/api/v1/tokens/{relay}/prune", "/api/v1/tokens/live/prune", `{"dry_run": true}`, 200},
		{"get", "/api/v1/plan", "/api/v1/plan", "", 200},
	} {
		daemon := variety()
		daemon.slots, daemon.notes = append(daemon.slots, slotStatus("live", slot.StateIdle)), []string{"a note"}
		daemon.ready = fault.Newf(fault.Permanent, fault.Storage, "", "", "the disk is full")
		daemon.events = []slot.Event{{At: now, Slot: "live/subscribe", Kind: slot.EventRotated, Took: time.Second, Stage: slot.StageMint}}
		w := ask(New(options(daemon)).adminHandler(), strings.ToUpper(tt.method), tt.target, tt.body)
		answers := d.at(t, "paths", tt.path, tt.method, "responses")
		key := fmt.Sprint(tt.status)
		if _, ok := answers[key]; !ok {
			key = "default"
		}
		if w.Code != tt.status {
			t.Errorf("%s: got %d %s", tt.target, w.Code, w.Body)
		}
		content := d.at(t, "paths", tt.path, tt.method, "responses", key, "content")
		if w.Header().Get("Content-Type") != "application/json" {
			d.at(t, "paths", tt.path, tt.method, "responses", key, "content", "text/plain")
			continue
		}
		ref, _ := content["application/json"].(map[string]any)["schema"].(map[string]any)["$ref"].(string)
		schema := must(d.compiler.Compile("mem:///openapi" + ref))
		if err := schema.Validate(must(jsonschema.UnmarshalJSON(w.Body))); err != nil {
			t.Errorf("%s: %v", tt.target, err)
		}
	}
}

func TestTheDescriptionHasEveryFieldOfTheAPIAndNoOther(t *testing.T) {
	d := servedDescription(t)
	for name, v := range map[string]any{
		"Problem": adminapi.Problem{}, "RotateRequest": adminapi.RotateRequest{}, "PruneRequest": adminapi.PruneRequest{},
		"ReloadResult": adminapi.ReloadResult{}, "SlotList": adminapi.SlotList{}, "EventList": adminapi.EventList{},
		"TokenList": adminapi.TokenList{}, "RunList": adminapi.RunList{}, "Slot": slot.Status{}, "Failure": slot.Failure{},
		"Target": slot.TargetStatus{}, "OldToken": slot.TokenStatus{}, "Event": slot.Event{}, "Token": adminapi.Token{},
		"Run": adminapi.Run{}, "Leader": adminapi.Leader{}, "Changes": slot.Changes{}, "Change": slot.Change{},
	} {
		var want []string
		for f := range reflect.TypeOf(v).Fields() {
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			want = append(want, field)
		}
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(d.at(t, "components", "schemas", name, "properties"))); !slices.Equal(got, want) {
			t.Errorf("%s has %v, described are %v", name, want, got)
		}
	}
	if n := len(d.at(t, "components", "schemas")); n != 18+1 { // and Time
		t.Errorf("%d schemas are described", n)
	}
}

func TestTheDescriptionHasEveryWordOfTheAPIAndNoOther(t *testing.T) {
	d := servedDescription(t)
	words := func(list any) string { return fmt.Sprint(list) }
	for where, want := range map[string]string{
		"Slot.state":    words(slot.States()),
		"Failure.step":  words(slot.Stages()),
		"Event.step":    words(slot.Stages()),
		"Slot.strategy": words([]moq.Strategy{moq.Overlap, moq.InPlace}),
		"Slot.phase":    words([]slot.Phase{slot.Intended, slot.Minted, slot.Verified}),
		"Token.owner": words([]adminapi.Owner{
			adminapi.Ours, adminapi.Former, adminapi.ForeignInstance, adminapi.OtherInstance, adminapi.Others,
		}),
		"Slot.waits_for": words([]slot.WaitsFor{slot.WaitsForGrace, slot.WaitsForRoom, slot.WaitsForBudget}),
	} {
		schema, field, _ := strings.Cut(where, ".")
		if got := words(d.at(t, "components", "schemas", schema, "properties", field)["enum"]); got != want {
			t.Errorf("%s is one of %s, described %s", where, want, got)
		}
	}
}
