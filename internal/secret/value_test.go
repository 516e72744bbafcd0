package secret

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v4"
)

const canary = "canary-7f3a9c"

// holder is what a secret may sit in.
type holder struct {
	Shown  Value            `json:"shown"`
	Behind *Value           `json:"behind"`
	List   []Value          `json:"list"`
	Map    map[string]Value `json:"map"`
	Any    any              `json:"any"`
	hidden Value
	inner  struct{ deep Value }
}

func holderOf(v Value) holder {
	h := holder{Shown: v, Behind: &v, List: []Value{v}, Map: map[string]Value{"k": v}, Any: v, hidden: v}
	h.inner.deep = v
	return h
}

// forms are all the shapes in which v might be handed to something that prints.
func forms(v Value) map[string]any {
	h := holderOf(v)
	return map[string]any{
		"value": v, "pointer": &v, "slice": []Value{v}, "array": [1]Value{v}, "map": map[string]Value{"k": v},
		"any": []any{v}, "struct": h, "struct pointer": &h, "structs": []holder{h}, "wrapped error": fmt.Errorf("with %v", v),
	}
}

func expectHidden(t *testing.T, where, text string) {
	t.Helper()
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary), fmt.Sprint([]byte(canary))} {
		if strings.Contains(text, form) {
			t.Errorf("%s shows the secret: %s", where, text)
		}
	}
}

func canaryValue(t *testing.T) Value {
	t.Helper()
	v := New(canary)
	if v.Reveal() != canary {
		t.Fatal("the canary is not in the value: the test could not fail")
	}
	return v
}

func TestNoVerbPrintsAValue(t *testing.T) {
	for name, form := range forms(canaryValue(t)) {
		for _, verb := range "vsqxXdoObtcUeEfFgGpTw" {
			for _, flags := range []string{"", "+", "#", " ", "-40", "0", "+#", ".3", "# "} {
				format := "%" + flags + string(verb)
				expectHidden(t, name+" under "+format, fmt.Sprintf(format, form))
			}
		}
		expectHidden(t, name+" under Sprint", fmt.Sprint(form)+fmt.Sprintln(form))
	}
}

func TestNoEncoderPrintsAValue(t *testing.T) {
	encoders := map[string]func(any) ([]byte, error){
		"JSON": json.Marshal, "YAML": func(v any) ([]byte, error) { return yaml.Marshal(v) }, "XML": xml.Marshal,
	}
	for name, form := range forms(canaryValue(t)) {
		for kind, encode := range encoders {
			text, err := encode(form)
			if err != nil && kind != "XML" { // which knows no maps
				t.Errorf("%s as %s: %v", name, kind, err)
			}
			expectHidden(t, name+" as "+kind, fmt.Sprint(string(text), err))
		}
	}
	for kind, encode := range encoders {
		if text, err := encode(New(canary)); err != nil || !strings.Contains(string(text), "redacted") {
			t.Errorf("%s gives %q, %v", kind, text, err)
		}
	}
}

func TestNoLoggerPrintsAValue(t *testing.T) {
	var out bytes.Buffer
	config := zap.NewProductionEncoderConfig()
	for name, form := range forms(canaryValue(t)) {
		for _, encoder := range []zapcore.Encoder{zapcore.NewJSONEncoder(config), zapcore.NewConsoleEncoder(config)} {
			log := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&out), zap.DebugLevel))
			log.Info("any", zap.Any("k", form), zap.Reflect("r", form))
			log.Sugar().Infow("sugar", "k", form)
			log.Sugar().Infof("%v %+v %#v", form, form, form)
		}
		for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
			slog.New(handler).Info("any", "k", form)
		}
		if out.Len() == 0 {
			t.Fatal("nothing was logged: the test could not fail")
		}
		expectHidden(t, name+" in a log", out.String())
		out.Reset()
	}
}

// A child process panics with a secret, and its parent reads what it wrote.
func TestNoPanicPrintsASecret(t *testing.T) {
	identity := generate(t)
	secrets := map[string]any{"identity": identity, "identity by value": *identity, "nested identity": struct{ i *Identity }{identity}}
	for name, form := range forms(New(canary)) {
		secrets[name] = form
	}
	if name := os.Getenv("PANIC_WITH"); name != "" {
		panic(secrets[name])
	}
	for name := range secrets {
		child := exec.Command(os.Args[0], "-test.run=^TestNoPanicPrintsASecret$")
		child.Env = append(os.Environ(), "PANIC_WITH="+name)
		out, err := child.CombinedOutput()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !bytes.Contains(out, []byte("panic: ")) {
			t.Fatalf("the child did not panic: %v: %s", err, out)
		}
		expectHidden(t, "a panic with "+name, string(out))
		expectNoKey(t, "a panic with "+name, string(out))
	}
}

func TestValueIsReadFromTextAndJSON(t *testing.T) {
	var h struct{ Token Value }
	if err := json.Unmarshal([]byte(`{"Token":"`+canary+`"}`), &h); err != nil || h.Token.Reveal() != canary {
		t.Errorf("JSON: %q, %v", h.Token.Reveal(), err)
	}
	if err := yaml.Unmarshal([]byte("token: "+canary), &h); err != nil || h.Token.Reveal() != canary {
		t.Errorf("YAML: %q, %v", h.Token.Reveal(), err)
	}
}

func TestValueEquality(t *testing.T) {
	a, b := New("same"), New("sa"+"me")
	if !a.Equal(b) || a.Equal(New("other")) || a.Equal(Value{}) || !New("").Equal(Value{}) {
		t.Error("Equal is wrong")
	}
}

func TestEmptyValue(t *testing.T) {
	if !New("").IsEmpty() || !(Value{}).IsEmpty() || New("x").IsEmpty() || (Value{}).Reveal() != "" {
		t.Error("IsEmpty is wrong")
	}
	if got := fmt.Sprint(Value{}); got != Redacted {
		t.Errorf("an empty value prints %q: whether it is empty is told too", got)
	}
}

func TestReflectionOnAValueFindsAnAddressOnly(t *testing.T) {
	if kind := reflect.TypeOf(Value{}).Field(0).Type.Kind(); kind != reflect.Pointer {
		t.Errorf("the secret is kept in a %s: fmt prints unexported fields of other structs", kind)
	}
}
