package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/secret"
)

// tokenPatience is how long a call to Cloudflare waits for its API token to be read.
const tokenPatience = 5 * time.Second

// tokenReader reads an API token, once for all who ask meanwhile: its file may lie
// on a file system that does not answer.
type tokenReader struct {
	name   string // of the source
	fetch  func() (secret.Value, error)
	flight singleflight.Group
}

func (r *tokenReader) read(ctx context.Context, patience time.Duration) (secret.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := r.flight.DoChan("", func() (any, error) { return r.fetch() })
	select {
	case a := <-done:
		v, _ := a.Val.(secret.Value)
		return v, a.Err
	case <-ctx.Done():
		return secret.Value{}, fmt.Errorf("read secret from %s: it does not answer", r.name)
	}
}

// apiToken is what came of reading an account's API token.
type apiToken struct {
	reader      *tokenReader
	fingerprint string
	err         error
}

// readTokens reads the API token of every account, side by side.
func readTokens(ctx context.Context, accounts map[string]*config.Account, env secret.Environment) map[string]*apiToken {
	out := map[string]*apiToken{}
	var wg sync.WaitGroup
	for name, a := range accounts {
		fetch := func() (secret.Value, error) { return a.APIToken.Read(env) }
		t := &apiToken{reader: &tokenReader{name: a.APIToken.String(), fetch: fetch}}
		out[name] = t
		wg.Go(func() {
			v, err := t.reader.read(ctx, openPatience)
			t.fingerprint, t.err = secret.Fingerprint(v), err
		})
	}
	wg.Wait()
	return out
}
