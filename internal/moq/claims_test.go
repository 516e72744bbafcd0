package moq

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

const (
	anID      = "0123456789abcdef0123456789abcdef"
	anotherID = "fedcba9876543210fedcba9876543210"
)

// jwt is a value with a payload, of which nobody checks the signature.
func jwt(payload string) secret.Value {
	part := base64.RawURLEncoding.EncodeToString
	return secret.New(part([]byte(`{"alg":"ES256"}`)) + "." + part([]byte(payload)) + "." + part([]byte("signature")))
}

func TestTheClaimsOfAJWTAreRead(t *testing.T) {
	got, ok := ClaimsOf(jwt(`{"aud":"moq.cloudflare.com","sub":"a relay","jti":"` + anID + `","operations":["subscribe"],"exp":1800000000,"new":{}}`))
	want := Claims{ID: anID, RelayID: "a relay", Operations: []string{"subscribe"}, Expires: time.Unix(1_800_000_000, 0).UTC()}
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%t, %+v", ok, got)
	}
}

func TestAClaimOfAFormThatNobodyExpectsIsAsNone(t *testing.T) {
	for _, payload := range []string{
		"{}", `{"jti":7,"sub":["x"],"operations":"subscribe","exp":"tomorrow"}`, `{"operations":[1],"exp":-1}`, `{"exp":1e300}`,
		`{"jti":null,"sub":null,"operations":null,"exp":null}`, `{"exp":253402300800}`,
	} {
		if got, ok := ClaimsOf(jwt(payload)); !ok || !reflect.DeepEqual(got, Claims{}) {
			t.Errorf("%s: %t, %+v", payload, ok, got)
		}
	}
}

func TestWhatIsNoJWTHasNoClaims(t *testing.T) {
	good := jwt(`{"jti":"x"}`).Reveal()
	for _, value := range []string{
		"", ".", "..", "a.b", "value-1", good + ".more", strings.TrimSuffix(good, "c2lnbmF0dXJl"), strings.ReplaceAll(good, ".", ","),
		" " + good, good + "\n", good + "=", jwt("[]").Reveal(), jwt("null").Reveal(), jwt(`"text"`).Reveal(), jwt("{").Reveal(),
		jwt(`{"jti":"` + strings.Repeat("x", longestJWT) + `"}`).Reveal(), jwt(strings.Repeat("[", 10_000)).Reveal(),
	} {
		if got, ok := ClaimsOf(secret.New(value)); ok {
			t.Errorf("%.60q has claims: %+v", value, got)
		}
	}
}

func TestClaimsThatContradictTheAnswerAreNamed(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	token := Token{ID: anID, Operations: []string{"publish", "subscribe"}, Expires: at}
	for want, c := range map[string]Claims{
		"":    {ID: anID, RelayID: "relay", Operations: []string{"subscribe", "publish", "publish"}, Expires: at.Add(time.Minute)},
		"jti": {ID: anotherID, RelayID: "relay"},
		"sub": {ID: anID, RelayID: "another"},
		"exp": {Expires: at.Add(-61 * time.Second)},
		" ":   {},
		"jti sub operations exp": {
			ID: "x", RelayID: "y", Operations: []string{}, Expires: at.Add(time.Hour),
		},
	} {
		got := c.Contradicted(token, "relay")
		if text := strings.Join(got, " "); text != strings.TrimSpace(want) || ContradictsID(got) != strings.HasPrefix(want, "jti") {
			t.Errorf("%+v: contradicted %q", c, got)
		}
	}
	if got := (Claims{Expires: at}).Contradicted(Token{}, ""); got != nil {
		t.Errorf("an answer without an expiry is contradicted: %q", got)
	}
}

func TestAClaimedIDIsShownOnlyIfItIsAWord(t *testing.T) {
	for id, shown := range map[string]bool{
		anID: true, "0b4f-7a": true, "": false, "a b": false, "a\nb": false, `"x"`: false, strings.Repeat("a", 65): false, "é": false,
	} {
		if got := (Claims{ID: id}).TokenID(); got != "" != shown || shown && got != id {
			t.Errorf("%q is shown as %q", id, got)
		}
	}
}

func TestIDsAreFoundInAContentAndInItsJWTs(t *testing.T) {
	content := "https://example/" + jwt(`{"jti":"`+anID+`"}`).Reveal() + "?id=" + anotherID
	if got := TokenIDsIn(secret.New(content)); !reflect.DeepEqual(got, []string{anotherID, anID}) {
		t.Errorf("found %q", got)
	}
}

func TestAContentIsOfAnotherRelayWhenEveryJWTInItSaysSo(t *testing.T) {
	of := func(relayID string) string { return jwt(`{"jti":"` + anID + `","sub":"` + relayID + `"}`).Reveal() }
	const relay, another = "00000000000000000000000000000001", "00000000000000000000000000000002"
	for content, want := range map[string]bool{
		of(another): true, "MOQ_TOKEN='" + of(another) + "'\n": true, `{"token":"` + of(another) + `"}`: true,
		of(relay): false, of(another) + "\n" + of(relay): false, of("a relay by name"): false, of(""): false,
		"": false, "opaque": false, anID: false, another: false, "x." + of(another): false,
	} {
		if got := HoldsTokenOfAnotherRelay(secret.New(content), relay); got != want {
			t.Errorf("%q is of another relay: %v", content, got)
		}
	}
}

func FuzzClaimsOf(f *testing.F) {
	f.Add(jwt(`{"jti":"x","exp":1e9,"operations":["a"]}`).Reveal())
	f.Add("a.b.c")
	f.Add("...")
	f.Fuzz(func(t *testing.T, value string) {
		c, ok := ClaimsOf(secret.New(value))
		if !ok && !reflect.DeepEqual(c, Claims{}) {
			t.Errorf("no JWT has the claims %+v", c)
		}
		if id := c.TokenID(); len(id) > 64 || strings.ContainsAny(id, " \n\"'\x00") {
			t.Errorf("%q is shown", id)
		}
		c.Contradicted(Token{}, "relay")
		TokenIDsIn(secret.New(value))
	})
}
