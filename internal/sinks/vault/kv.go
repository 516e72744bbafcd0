package vault

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/hashicorp/vault/api"
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
	// paths gives where a secret's data is and, for version 2, its metadata.
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
	s, err := fetch(ctx, c, data)
	if err != nil || s == nil {
		return held{known: err == nil}, err
	}
	return held{known: true, live: true, used: true, fields: s.Data}, nil
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
	s, err := fetch(ctx, c, data)
	if err != nil || s == nil {
		return held{known: err == nil}, err
	}
	metadata, _ := s.Data["metadata"].(map[string]any)
	version, ok := number(metadata["version"])
	if !ok {
		return held{}, badAnswer("a secret without a version, which KV version 2 always has: correct kv_version or mount")
	}
	fields, live := s.Data["data"].(map[string]any)
	return held{known: true, live: live, used: true, version: version, fields: fields}, nil
}

// current learns the version number alone, for who may not read the data.
func (e kv2) current(ctx context.Context, c *api.Client, target string) (int, error) {
	_, metadata := e.paths(target)
	s, err := fetch(ctx, c, metadata)
	if err != nil || s == nil {
		return 0, err
	}
	version, ok := number(s.Data["current_version"])
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
		return badAnswer("no version to a write, which KV version 2 always gives: correct kv_version or mount")
	}
	return nil
}

func number(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return int(i), err == nil
}

// fetch reads path; nil when there is nothing. The client's own Read would take
// a mount that does not exist for a secret that does not.
func fetch(ctx context.Context, c *api.Client, path string) (*api.Secret, error) {
	answer, err := c.Logical().ReadRawWithContext(ctx, path)
	if answer != nil {
		defer func() { _ = answer.Body.Close() }()
	}
	var r *api.ResponseError
	missing := hasStatus(err, 404) && errors.As(err, &r) && len(r.Errors) == 0
	if err != nil && !missing {
		return nil, err
	}
	s, err := api.ParseSecret(answer.Body)
	switch {
	case err != nil && !isNotJSON(err):
		return nil, err // it was not read to its end
	case err != nil:
		return nil, badAnswer("something that is not JSON")
	case !missing:
		return s, nil
	case s == nil || len(s.Data) == 0:
		return nil, nil //nolint:nilnil // nothing there is no error
	}
	return s, nil
}

// isNotJSON tells an answer that makes no sense from one that did not come in full.
func isNotJSON(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	return syntax || kind || errors.Is(err, io.EOF)
}
