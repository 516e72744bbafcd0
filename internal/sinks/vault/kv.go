package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
)

// held is what a path of a KV engine was found to hold.
type held struct {
	known   bool // false when reading was not permitted
	live    bool // there is a secret, neither deleted nor destroyed
	used    bool // Vault counts a write as an update, not a creation
	version int  // version 2: what check-and-set compares with; 0 for a new path
	fields  map[string]any
}

// engine is a version of the KV engine at a mount.
type engine interface {
	// paths returns where a secret's data is and, for version 2, its metadata.
	paths(target string) (data, metadata string)
	read(ctx context.Context, c *api.Client, target string) (held, error)
	// put writes fields; a version is compared with the current one first.
	put(ctx context.Context, c *api.Client, target string, fields map[string]any, version *int) error
}

func newEngine(mount string, version int) engine {
	if version == 1 {
		return kv1{mount}
	}
	return kv2{mount}
}

type kv1 struct{ mount string }

func (e kv1) paths(target string) (data, metadata string) { return e.mount + "/" + target, "" }

func (e kv1) read(ctx context.Context, c *api.Client, target string) (held, error) {
	data, _ := e.paths(target)
	s, err := readPath(ctx, c, data)
	if err != nil || s == nil {
		return held{known: err == nil}, err
	}
	return held{known: true, live: true, used: true, fields: s}, nil
}

func (e kv1) put(ctx context.Context, c *api.Client, target string, fields map[string]any, _ *int) error {
	data, _ := e.paths(target)
	_, err := c.Logical().WriteWithContext(ctx, data, fields)
	return err
}

type kv2 struct{ mount string }

func (e kv2) paths(target string) (data, metadata string) {
	return e.mount + "/data/" + target, e.mount + "/metadata/" + target
}

// read also learns the version number of a secret that was deleted or
// destroyed: Vault answers 404, with the metadata.
func (e kv2) read(ctx context.Context, c *api.Client, target string) (held, error) {
	data, _ := e.paths(target)
	s, err := readPath(ctx, c, data)
	if err != nil || s == nil {
		return held{known: err == nil}, err
	}
	metadata, _ := s["metadata"].(map[string]any)
	version, ok := parseNumber(metadata["version"])
	if !ok {
		return held{}, badAnswer("a secret without a version, which KV version 2 always has: correct kv_version or mount")
	}
	fields, live := s["data"].(map[string]any)
	return held{known: true, live: live, used: true, version: version, fields: fields}, nil
}

// readMetadata returns what Vault keeps of a secret besides its versions; nil when it keeps nothing.
func (e kv2) readMetadata(ctx context.Context, c *api.Client, target string) (map[string]any, error) {
	_, metadata := e.paths(target)
	return readPath(ctx, c, metadata)
}

// current learns the version number alone, for who may not read the data.
func (e kv2) current(ctx context.Context, c *api.Client, target string) (int, error) {
	s, err := e.readMetadata(ctx, c, target)
	if err != nil || s == nil {
		return 0, err
	}
	version, ok := parseNumber(s["current_version"])
	if !ok {
		return 0, badAnswer("metadata without a version")
	}
	return version, nil
}

func (e kv2) put(ctx context.Context, c *api.Client, target string, fields map[string]any, version *int) error {
	data, _ := e.paths(target)
	body := map[string]any{"data": fields}
	if version != nil {
		body["options"] = map[string]any{"cas": *version}
	}
	s, err := c.Logical().WriteWithContext(ctx, data, body)
	if err != nil {
		return err
	}
	if s == nil || s.Data["version"] == nil {
		return fault.Newf(fault.Retry, fault.BadAnswer, "", "", "Vault answers a write without the version that KV version 2 always gives").
			WithHint("correct mount or kv_version; if the mount was made again as version 1, delete %s there", data)
	}
	return nil
}

// tryPut finds out whether a write is permitted: no secret has a version below 0, so nothing is
// stored. Nil: Vault would write. The mount must be known to be of version 2.
func (e kv2) tryPut(ctx context.Context, c *api.Client, target string) error {
	never := -1
	err := e.put(ctx, c, target, map[string]any{}, &never)
	switch {
	case isConflict(err):
		return nil
	case err == nil:
		return badAnswer("success to a write that was to fail (cas: -1): it is no KV version 2 that is there")
	}
	return err
}

func parseNumber(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return int(i), err == nil
}

// readPath reads path; nil when there is nothing. The client's own Read would take a mount that does
// not exist, or a gateway's page, for a secret that does not.
func readPath(ctx context.Context, c *api.Client, path string) (map[string]any, error) {
	answer, err := c.Logical().ReadRawWithContext(ctx, path)
	if answer != nil {
		defer func() { _ = answer.Body.Close() }()
	}
	r, missing := errors.AsType[*api.ResponseError](err)
	missing = missing && r.StatusCode == http.StatusNotFound && len(r.Errors) == 0
	if err != nil && !missing {
		return nil, err
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err // it was not read to its end
	}
	return dataOf(text, missing)
}

// dataOf returns the data in an answer. Vault says that there is none with 404 and an empty list of errors.
func dataOf(text []byte, missing bool) (map[string]any, error) {
	var found struct {
		Data   map[string]any `json:"data"`
		Errors *[]string      `json:"errors"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	switch err := decoder.Decode(&found); {
	case err != nil:
		return nil, badAnswer("something that is not JSON")
	case found.Data != nil:
		return found.Data, nil
	case missing && found.Errors != nil:
		return nil, nil //nolint:nilnil // nothing there is no error
	case missing:
		return nil, notVaults("a 404 that is not Vault's")
	}
	return nil, notVaults("an answer without data")
}

func notVaults(what string) error {
	return fault.Newf(fault.Retry, fault.BadAnswer, "", "", "Vault, or who answers for it, gives %s", what).
		WithHint("look at the proxy or load balancer in front of it")
}
