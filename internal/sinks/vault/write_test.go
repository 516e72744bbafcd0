package vault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

func TestForeignFields(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	server.Mount(t, "kv", 1)

	t.Run("replace removes fields that are not ours", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		f.put(t, target, map[string]any{"owner": "team-a"})
		mustWrite(t, s, target, 1)
		if got := f.fields(t, target); got["owner"] != nil || got["token"] != sinktest.Record(1).Token.Reveal() {
			t.Errorf("fields are %v", slices.Sorted(maps.Keys(got)))
		}
	})

	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("merge keeps fields that are not ours, KV version %d", version), func(t *testing.T) {
			f := newFixture(t, server, func(c *Config) {
				c.WriteMode, c.Fields, c.KVVersion = Merge, map[string]string{"url": "https://x/{{.Token}}"}, version
				c.Mount = map[int]string{1: "kv", 2: "secret"}[version]
			})
			s, target := f.open(t), f.target()
			f.put(t, target, map[string]any{"owner": "team-a", "limits": map[string]any{"n": 1234567890123456}})
			if h, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true}); err != nil || h.Exists {
				t.Errorf("others' fields alone count as ours: exists %t, %v", h.Exists, err)
			}
			mustWrite(t, s, target, 1)
			got := f.fields(t, target)
			if got["owner"] != "team-a" || fmt.Sprint(got["limits"]) != "map[n:1234567890123456]" ||
				got["url"] != "https://x/"+sinktest.Record(1).Token.Reveal() {
				t.Errorf("fields are %v", slices.Sorted(maps.Keys(got)))
			}
			h, err := s.Read(t.Context(), target)
			if err != nil || !h.Content.Equal(content(t, s, 1)) {
				t.Errorf("Read does not give our fields alone (%v)", err)
			}
		})
	}
}

func TestOtherWriters(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)

	t.Run("another writer between reading and writing is noticed and neither write is lost", func(t *testing.T) {
		f := newFixture(t, server, func(c *Config) { c.WriteMode = Merge })
		s, target := f.open(t), f.target()
		var once sync.Once
		s.engine = racing{s.engine, func() {
			once.Do(func() { f.put(t, target, map[string]any{"owner": "team-b"}) })
		}}
		mustWrite(t, s, target, 1)
		if got := f.fields(t, target); got["owner"] != "team-b" || got["token"] == nil {
			t.Errorf("fields are %v", slices.Sorted(maps.Keys(got)))
		}
		if v := f.version(t, target); v != 2 {
			t.Errorf("version is %d, want 2: the other's and ours", v)
		}
	})

	t.Run("another writer who wrote our content has done our work", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		mine, err := parseContent(content(t, s, 1))
		if err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		s.engine = racing{s.engine, func() { once.Do(func() { f.put(t, target, mine) }) }}
		mustWrite(t, s, target, 1)
		if v := f.version(t, target); v != 1 {
			t.Errorf("version is %d, want 1", v)
		}
	})

	t.Run("another writer between a look and our write is noticed", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		for n, look := range []func() error{
			func() error { _, err := s.Read(t.Context(), target); return err },
			func() error { _, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true}); return err },
		} {
			if err := look(); err != nil {
				t.Fatal(err)
			}
			f.put(t, target, map[string]any{"owner": "team-b"})
			mustWrite(t, s, target, n)
			if v := f.version(t, target); v != 2*n+2 {
				t.Errorf("version is %d, want %d: the other's and ours", v, 2*n+2)
			}
		}
	})

	t.Run("our content, seen a moment ago, is not written again; once it was replaced, it is", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		mustWrite(t, s, target, 1)
		for _, want := range []int{1, 3} {
			if _, err := s.Read(t.Context(), target); err != nil {
				t.Fatal(err)
			}
			if want == 3 {
				f.put(t, target, map[string]any{"owner": "team-b"})
			}
			mustWrite(t, s, target, 1)
			if v := f.version(t, target); v != want {
				t.Errorf("version is %d, want %d", v, want)
			}
		}
	})

	t.Run("a writer who always comes in between ends in a conflict", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		var n int
		s.engine = racing{s.engine, func() { n++; f.put(t, target, map[string]any{"n": n}) }}
		err := s.Write(t.Context(), target, content(t, s, 1), sinks.WriteOptions{})
		wantFault(t, err, fault.Retry, fault.Conflict, "secret/"+target, "5 times")
		if n != casAttempts {
			t.Errorf("%d attempts, want %d", n, casAttempts)
		}
	})
}

// While consumers wait for a write, one call to Vault has to do.
func TestAWriteAfterALookIsOneCall(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFixture(t, server, nil)
	s, target := f.open(t), f.target()
	counted := &callCount{engine: s.engine}
	s.engine = counted
	for n := range 3 { // a new secret, and then one that is there
		if _, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true}); err != nil {
			t.Fatal(err)
		}
		*counted = callCount{engine: counted.engine}
		mustWrite(t, s, target, n)
		if counted.reads != 0 || counted.puts != 1 {
			t.Errorf("write %d took %d reads and %d puts", n, counted.reads, counted.puts)
		}
	}
}

func TestTheVersionCacheIsBounded(t *testing.T) {
	t.Parallel()
	var g versionCache
	for n := range 3 * keptVersions {
		g.noteVersion(fmt.Sprint(n), n, sinks.Holding{})
		if len(g.of) > keptVersions {
			t.Fatalf("%d are kept", len(g.of))
		}
	}
	last := fmt.Sprint(3*keptVersions - 1)
	if version, ok := g.takeVersion(last, secret.New("another")); !ok || version != 3*keptVersions-1 {
		t.Errorf("the last is %d, %t", version, ok)
	}
	if _, ok := g.takeVersion(last, secret.New("another")); ok {
		t.Error("one is used twice")
	}
}

// callCount counts the calls to an engine.
type callCount struct {
	engine
	reads, puts int
}

func (c *callCount) read(ctx context.Context, client *api.Client, target string) (held, error) {
	c.reads++
	return c.engine.read(ctx, client, target)
}

func (c *callCount) put(ctx context.Context, client *api.Client, target string, fields map[string]any, version *int) error {
	c.puts++
	return c.engine.put(ctx, client, target, fields, version)
}

func TestEndedSecrets(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)

	for name, end := range map[string]string{"deleted": "delete", "destroyed": "destroy"} {
		t.Run("a secret that was "+name+" does not exist and can be written again", func(t *testing.T) {
			f := newFixture(t, server, nil)
			s, target := f.open(t), f.target()
			mustWrite(t, s, target, 1)
			server.Write(t, "secret/"+end+"/"+target, map[string]any{"versions": []int{1}})
			if h, err := s.Read(t.Context(), target); err != nil || !h.Known || h.Exists {
				t.Errorf("Read = known %t, exists %t, %v", h.Known, h.Exists, err)
			}
			if h, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true}); err != nil || !h.Known || h.Exists {
				t.Errorf("Probe = known %t, exists %t, %v", h.Known, h.Exists, err)
			}
			mustWrite(t, s, target, 1)
			if v := f.version(t, target); v != 2 {
				t.Errorf("version is %d, want 2", v)
			}
		})
	}
}

func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)

	t.Run("a token that may write and see versions, but not read, writes under check-and-set", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		server.Policy(t, f.policy, `path "secret/data/*" { capabilities = ["create", "update"] }
			path "secret/metadata/*" { capabilities = ["read"] }`)
		if h, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: false}); err != nil || h.Known {
			t.Fatalf("Probe = known %t, %v", h.Known, err)
		}
		for n := range 3 {
			mustWrite(t, s, target, n)
		}
		if v := f.version(t, target); v != 3 {
			t.Errorf("version is %d, want 3", v)
		}
		_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
		wantFault(t, err, fault.Permanent, fault.Forbidden, "lack read on secret/data/"+target)
		_, err = s.Read(t.Context(), target)
		wantFault(t, err, fault.Permanent, fault.Forbidden, "permission denied", fmt.Sprintf("path %q {", "secret/data/"+target))
	})

	t.Run("a token that may only write needs cas: false", func(t *testing.T) {
		f := newFixture(t, server, nil)
		target := f.target()
		server.Policy(t, f.policy, `path "secret/data/*" { capabilities = ["create", "update"] }`)
		s := f.open(t)
		_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: false})
		wantFault(t, err, fault.Permanent, fault.Forbidden, "cas: false", "secret/metadata/"+target)
		err = s.Write(t.Context(), target, content(t, s, 1), sinks.WriteOptions{})
		wantFault(t, err, fault.Permanent, fault.Forbidden, "secret/metadata/"+target)

		f.config.CAS = false
		s = f.open(t)
		if _, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: false}); err != nil {
			t.Errorf("Probe: %v", err)
		}
		mustWrite(t, s, target, 1)
	})
}

func TestPaths(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)

	t.Run("unusual characters in a path reach the same secret that others read", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s := f.open(t)
		for _, odd := range []string{"a b", "a?b", "a#b", "a%2Fb", "ü", "a+b", "a&b=c", "a:b@c", "a..b", "~", "a*"} {
			target := f.policy + "/" + odd
			if _, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true}); err != nil {
				t.Errorf("%q: Probe: %v", odd, err)
				continue
			}
			mustWrite(t, s, target, 1)
			if f.fields(t, target)["token"] != sinktest.Record(1).Token.Reveal() {
				t.Errorf("%q: another client does not find it", odd)
			}
		}
		for _, bad := range []string{"", "/a", "a/", "a//b", "a/../b", "./a", "a ", "a/ b", "a\nb", "a\x00b"} {
			err := s.Write(t.Context(), bad, content(t, s, 1), sinks.WriteOptions{})
			wantFault(t, err, fault.Permanent, fault.Invalid)
		}
	})
}

// racing lets somebody else write just before we do.
type racing struct {
	engine
	between func()
}

func (r racing) put(ctx context.Context, c *api.Client, target string, fields map[string]any, version *int) error {
	r.between()
	return r.engine.put(ctx, c, target, fields, version)
}
