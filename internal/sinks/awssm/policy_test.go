package awssm

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

// The conformance suite takes every action that a policy allows, and no other.
func TestThePoliciesOfTheDocumentsAreTheActionsThatTheSinkTakes(t *testing.T) {
	for _, c := range []struct {
		name   string
		create bool
		files  []string
	}{
		{"secrets that are there", false, []string{"deliver", "assume-role"}},
		{"secrets that are created", true, []string{"deliver", "create", "assume-role"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := awstest.New(t)
			credentials(t, server)
			sink := configFor(server)
			sink.RoleARN, sink.Create = "arn:aws:iam::123456789012:role/rotatord", c.create
			if c.create {
				sink.Tags = map[string]string{"team": "video"}
			}
			h := harness(server, sink)
			h.Echo = nil // it stands in for AWS by itself
			h.Target = targetsThatAre(server, h.Target, !c.create)
			sinktest.Run(t, h)
			if allowed := allowedActions(t, c.files); !slices.Equal(server.Actions(), allowed) {
				t.Errorf("taken:   %q\nallowed: %q", server.Actions(), allowed)
			}
		})
	}
}

// targetsThatAre gives targets as next does, which are made beforehand if need be.
func targetsThatAre(server *awstest.Server, next func(*testing.T) string, made bool) func(*testing.T) string {
	return func(t *testing.T) string {
		target := next(t)
		if made {
			server.Make(target)
		}
		return target
	}
}

// allowedActions returns what the policies of docs/permissions.md allow, sorted.
func allowedActions(t *testing.T, files []string) (out []string) {
	t.Helper()
	for _, name := range files {
		text, err := os.ReadFile("../../../deploy/policies/aws/" + name + ".json")
		must(t, err)
		var policy struct {
			Statement []struct {
				Effect string
				Action []string
			}
		}
		must(t, json.Unmarshal(text, &policy))
		for _, s := range policy.Statement {
			if s.Effect != "Allow" {
				t.Errorf("%s: a statement with the effect %q", name, s.Effect)
			}
			out = append(out, s.Action...)
		}
	}
	return slices.Sorted(slices.Values(out))
}
