package sinks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/rotatord/rotatord/internal/secret"
)

// Confidences are secrets that a text of a store may repeat: a call's, or those that a sink's calls
// share, such as its login. The zero value is empty. They are safe for concurrent use.
type Confidences struct {
	// Most is how many are kept, the latest; 0: all.
	Most int

	mu     sync.Mutex
	values []secret.Value
}

// Add keeps values, each once.
func (c *Confidences) Add(values ...secret.Value) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range values {
		if !v.IsEmpty() && !slices.ContainsFunc(c.values, v.Equal) {
			c.values = append(c.values, v)
		}
	}
	if over := len(c.values) - c.Most; c.Most > 0 && over > 0 {
		c.values = slices.Delete(c.values, 0, over)
	}
}

// Values returns what was added.
func (c *Confidences) Values() []secret.Value {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.values)
}

type confidencesKey struct{}

// ListeningContext returns a context under which Confide adds to c.
func (c *Confidences) ListeningContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, confidencesKey{}, c)
}

// Confide says what secrets the call of ctx has used or seen besides its content, so that none of them is
// in the text of its error: the store's credentials, and what the store holds of others. Without a
// listener it does nothing.
func Confide(ctx context.Context, values ...secret.Value) {
	if c, ok := ctx.Value(confidencesKey{}).(*Confidences); ok {
		c.Add(values...)
	}
}

// confideContent confides what is secret of content if the call failed.
func confideContent(ctx context.Context, err error, content secret.Value) error {
	if err != nil {
		Confide(ctx, SecretParts(content)...)
	}
	return err
}

// SecretParts returns what is secret in the content of a target: the values of its fields but for those
// that only say whose the token is. Content without fields is secret as a whole.
func SecretParts(content secret.Value) []secret.Value {
	text := content.Reveal()
	if fields, err := decodedJSON(text); err == nil {
		return secretLeaves("", fields)
	}
	var out []secret.Value
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\n"), "=")
		if !ok || !envName.MatchString(name) {
			return []secret.Value{content}
		}
		name = strings.ToLower(strings.TrimPrefix(name, "MOQ_"))
		out = append(out, secretLeaf(name, value)...)
		if bare := envPlain.Replace(strings.Trim(value, `"`)); bare != value {
			out = append(out, secretLeaf(name, bare)...)
		}
	}
	return out
}

// envPlain undoes envEscapes.
var envPlain = strings.NewReplacer(`\\`, `\`, `\"`, `"`, "\\`", "`", `\$`, `$`)

var envName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

// decodedJSON decodes an object or a list.
func decodedJSON(text string) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	if err = dec.Decode(&v); err != nil {
		return nil, err
	}
	switch v.(type) {
	case map[string]any, []any:
		return v, nil
	}
	return nil, errors.New("a value without fields")
}

// secretLeaves returns the secret values in v, which is called name.
func secretLeaves(name string, v any) (out []secret.Value) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			out = append(out, secretLeaves(k, inner)...)
		}
	case []any:
		for _, inner := range v {
			out = append(out, secretLeaves(name, inner)...)
		}
	case string:
		return secretLeaf(name, v)
	case json.Number:
		return secretLeaf(name, v.String())
	}
	return out
}

// plainWord is what a name, an id or a time of a record looks like.
var plainWord = regexp.MustCompile(`^[a-z0-9_-]{0,63}$|^[0-9-]{10}T[0-9:]{8}Z$`)

// secretLeaf returns value unless name is that of a field which is no secret.
func secretLeaf(name, value string) []secret.Value {
	public := func(f Field) bool { return f.Key == name && f.Key != "token" }
	if slices.ContainsFunc(Record{}.Fields(), public) && plainWord.MatchString(value) {
		return nil
	}
	return []secret.Value{secret.New(value)}
}
