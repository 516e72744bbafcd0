package rotation

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// jwtOf returns the claims part of a JWT with an id.
func jwtOf(id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"jti":"` + id + `"}`))
}

// jwtOfRelay is a token's whole value that claims a relay.
func jwtOfRelay(relayID string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{}`)) + "." + part([]byte(`{"sub":"`+relayID+`"}`)) + "." + part([]byte("signature"))
}

// printed returns every rendering of the things.
func printed(things ...any) []string {
	var out []string
	for _, t := range things {
		out = append(out, fmt.Sprintf("%v %+v %#v %s", t, t, t, t))
		if b, err := json.Marshal(t); err == nil {
			out = append(out, string(b))
		}
	}
	return out
}
