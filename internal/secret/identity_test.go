package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/test/harness"
)

func generate(t testing.TB) *Identity {
	t.Helper()
	id, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func expectNoKey(t *testing.T, where, text string) {
	t.Helper()
	if strings.Contains(strings.ToUpper(text), "AGE-SECRET-KEY-1") {
		t.Errorf("%s shows the key: %s", where, text)
	}
}

func TestWhatIsSealedOpensAgain(t *testing.T) {
	id := generate(t)
	for _, text := range []string{
		"", "x", canary, "\x00\xff\n", strings.Repeat("long ", 50_000),
		strings.Repeat("c", payloadChunk-1), strings.Repeat("c", payloadChunk), strings.Repeat("c", payloadChunk+1),
	} {
		sealed, err := id.Seal(New(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 1 && bytes.Contains(sealed, []byte(text)) {
			t.Error("the sealed bytes hold the text in clear")
		}
		if v, err := id.Open(sealed); err != nil || v.Reveal() != text {
			t.Errorf("%.20q came back as %.20q, %v", text, v.Reveal(), err)
		}
	}
}

func TestNoTwoSealedPayloadsShareAKey(t *testing.T) {
	id := generate(t)
	seen := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			sealed, err := id.Seal(New(canary))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			nonce := sealed[len(id.sealer.header):][:payloadNonce]
			seen[string(nonce)] = true
		})
	}
	if wg.Wait(); len(seen) != 64 {
		t.Errorf("64 payloads have %d nonces", len(seen))
	}
}

func TestOpenRefusesOthersAndChangedBytes(t *testing.T) {
	id := generate(t)
	sealed, err := id.Seal(New(canary))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := generate(t).Open(sealed); err == nil || !strings.Contains(err.Error(), "put that identity file back") {
		t.Errorf("another identity: %v", err)
	}
	for at := range sealed {
		bad := bytes.Clone(sealed)
		bad[at] ^= 1
		if v, err := id.Open(bad); err == nil {
			t.Fatalf("byte %d changed: opened as %q", at, v.Reveal())
		} else {
			expectHidden(t, "an error", err.Error())
		}
	}
	for _, bad := range [][]byte{nil, {}, sealed[:len(sealed)-1], []byte("rubbish")} {
		if _, err := id.Open(bad); err == nil {
			t.Errorf("%d bytes opened", len(bad))
		}
	}
}

func TestCreatedIdentityIsPrivateAndLoads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	made, err := CreateIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v (%v)", left, err)
	}
	loaded, err := LoadIdentity(path, ThisProcess(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := made.Seal(New(canary))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := loaded.Open(sealed); err != nil || v.Reveal() != canary {
		t.Errorf("the loaded identity gives %q, %v", v.Reveal(), err)
	}
}

func TestCreateIdentityNeverReplacesOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateIdentity(path); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v (%v)", left, err)
	}
	if _, err := CreateIdentity(filepath.Join(t.TempDir(), "no", "folder")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v", err)
	}
}

func TestLoadIdentityRefusesWithWhatToDo(t *testing.T) {
	second, key := generate(t), generate(t).keys[0].String()
	for name, c := range map[string]struct {
		text string
		mode fs.FileMode
		want string
	}{
		"readable by all":    {key, 0o644, "chmod 600"},
		"empty":              {"", 0o600, "no key in it"},
		"comments only":      {"# public key: age1…\n\n", 0o600, "no key in it"},
		"cut short":          {"# x\n" + key[:50] + "\n", 0o600, "line 2"},
		"one letter changed": {key[:40] + changed(key[40:41]) + key[41:], 0o600, "line 1"},
		"a mistyped 1":       {key[:60] + "1" + key[61:], 0o600, "line 1"},
		"public key":         {second.Recipient(), 0o600, "line 1"},
		"one of two broken":  {second.keys[0].String() + "\n" + key[:50], 0o600, "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "identity")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := LoadIdentity(path, ThisProcess(nil, nil))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("err = %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), key[20:30]) {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
	if _, err := LoadIdentity(t.TempDir(), ThisProcess(nil, nil)); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a folder: %v", err)
	}
}

// changed is another letter of the key's alphabet.
func changed(letter string) string {
	if letter == "Q" {
		return "P"
	}
	return "Q"
}

func TestIdentityFileMayHoldComments(t *testing.T) {
	id := generate(t)
	got, err := parseIdentity("# a comment\r\n\r\n  " + id.keys[0].String() + " \r\n")
	if err != nil || got.Recipient() != id.Recipient() {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTheFirstOfSeveralKeysSealsAndEachOpens(t *testing.T) {
	old, next, stranger := generate(t), generate(t), generate(t)
	both := together(t, next, old)
	if both.Recipient() != next.Recipient() {
		t.Error("the first is not what seals")
	}
	for _, c := range []struct {
		by, with *Identity
		opens    bool
	}{{both, next, true}, {both, old, false}, {old, both, true}, {next, both, true}, {together(t, old, next), both, true}, {stranger, both, false}} {
		sealed, err := c.by.Seal(New(canary))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := c.with.Open(sealed); (err == nil) != c.opens || c.opens && v.Reveal() != canary {
			t.Errorf("%v: %v", c.opens, err)
		}
		if c.with.Opens(c.by.Recipient()) != c.opens {
			t.Errorf("%v: Opens says otherwise", c.opens)
		}
	}
}

// together is an identity of several, as their files one behind the other make it.
func together(t *testing.T, all ...*Identity) *Identity {
	t.Helper()
	var text strings.Builder
	for _, id := range all {
		text.WriteString(id.fileText(time.Now()))
	}
	id, err := parseIdentity(text.String())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAnIdentityOfSeveralKeysIsRestoredWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	both := together(t, generate(t), generate(t))
	if err := both.Restore(path); err != nil {
		t.Fatal(err)
	}
	again, err := LoadIdentity(path, ThisProcess(nil, nil))
	if err != nil || !slices.EqualFunc(again.keys, both.keys, func(a, b *age.X25519Identity) bool { return a.String() == b.String() }) {
		t.Errorf("%d of %d keys, %v", len(again.keys), len(both.keys), err)
	}
}

func TestNoErrorQuotesAKeyOfSeveral(t *testing.T) {
	first, second := generate(t).keys[0].String(), generate(t).keys[0].String()
	for _, text := range []string{
		first + "\n" + second[1:], first + second, first + " " + second, "x" + first + "\n" + second, first + "\n\n# a comment\n" + second[:60] + "\n",
	} {
		_, err := parseIdentity(text)
		if err == nil {
			t.Errorf("%d bytes are taken", len(text))
		}
		for _, key := range []string{first, second} {
			if strings.Contains(fmt.Sprint(err), key[20:30]) {
				t.Errorf("it quotes a key: %v", err)
			}
		}
	}
}

func TestIdentityIsNotPrinted(t *testing.T) {
	id := together(t, generate(t), generate(t))
	if !strings.HasPrefix(id.keys[0].String(), identityPrefix) {
		t.Fatal("the key is not in the identity: the test could not fail")
	}
	var out bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&out), zap.DebugLevel)
	for _, form := range []any{id, *id, []*Identity{id}, struct{ I *Identity }{id}, struct{ i *Identity }{id}, struct{ i Identity }{*id}, map[string]any{"i": id}} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			expectNoKey(t, format, fmt.Sprintf(format, form))
		}
		text, err := json.Marshal(form)
		expectNoKey(t, "JSON", fmt.Sprint(string(text), err))
		zap.New(core).Info("any", zap.Any("i", form))
		zap.New(core).Sugar().Infow("any", "i", form)
	}
	expectNoKey(t, "the log", out.String())
	if !strings.Contains(out.String(), "redacted") {
		t.Error("nothing was logged: the test could not fail")
	}
}

// What rotatord seals an operator opens with the ordinary tool. Where the tool is not
// installed, its library stands in; a build machine must have it.
func TestTheAgeToolOpensWhatIsSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	id, err := CreateIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := id.Seal(New(canary))
	if err != nil {
		t.Fatal(err)
	}
	if got := openOutside(t, path, sealed); got != canary {
		t.Errorf("opened as %q", got)
	}
}

func openOutside(t *testing.T, path string, sealed []byte) string {
	t.Helper()
	tool, ok := harness.FindTool(t, "age")
	if !ok {
		return openWithLibrary(t, path, sealed)
	}
	cmd := exec.Command(tool, "--decrypt", "--identity", path)
	cmd.Stdin = bytes.NewReader(sealed)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func openWithLibrary(t *testing.T, path string, sealed []byte) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	identities, err := age.ParseIdentities(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func BenchmarkSealAndOpen(b *testing.B) {
	id := generate(b)
	v := New(strings.Repeat("x", 1024))
	for b.Loop() {
		sealed, err := id.Seal(v)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := id.Open(sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAnIdentityDerivesOneKeyForEachLabel(t *testing.T) {
	one, err1 := GenerateIdentity()
	other, err2 := GenerateIdentity()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	derive := func(i *Identity, label string) string {
		key, err := i.DeriveKey(label)
		if err != nil || len(key.Reveal()) != derivedSize {
			t.Fatalf("%d bytes, %v", len(key.Reveal()), err)
		}
		return key.Reveal()
	}
	first := derive(one, "a")
	if again := derive(one, "a"); again != first {
		t.Error("a key does not stay the same")
	}
	if first == derive(one, "b") || first == derive(other, "a") {
		t.Error("keys of another label or another identity are the same")
	}
}

func TestEachKeyOfAnIdentityDerivesItsOwn(t *testing.T) {
	next, old := generate(t), generate(t)
	derived, err := together(t, next, old).DeriveKeys("a")
	if err != nil || len(derived) != 2 {
		t.Fatalf("%d, %v", len(derived), err)
	}
	for n, alone := range []*Identity{next, old} {
		if key, err := alone.DeriveKey("a"); err != nil || !key.Equal(derived[n]) {
			t.Errorf("key %d is not that of its identity alone: %v", n, err)
		}
	}
}
