package vault

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

// happening is something that a call to Vault may come to.
type happening struct {
	name string
	err  error
}

func answersOf(status int) []happening {
	answer := func(raw bool, words ...string) error {
		return fmt.Errorf("wrapped: %w", &api.ResponseError{
			HTTPMethod: "PUT", URL: "https://vault.example/base/v1/secret/data/x", StatusCode: status, RawError: raw, Errors: words,
		})
	}
	list := []happening{{fmt.Sprintf("%d of Vault", status), answer(false, "said so")}}
	if status <= 404 {
		list = append(list, happening{fmt.Sprintf("%d without words", status), answer(false)})
	}
	if slices.Contains([]int{400, 403, 404, 405, 413, 429}, status) { // as proxies answer
		list = append(list, happening{fmt.Sprintf("%d with a page", status), answer(true, "<html>403</html>")})
	}
	return list
}

func happenings() (list []happening) {
	for _, status := range []int{400, 403, 404, 405, 412, 413, 418, 429, 472, 473, 500, 502, 503} {
		list = append(list, answersOf(status)...)
	}
	call := func(err error) error {
		return &url.Error{Op: "Put", URL: "https://vault.example/v1/x", Err: err}
	}
	return append(list,
		happening{"an unknown authority", call(x509.UnknownAuthorityError{})},
		happening{"no connection", call(errors.New("connection refused"))},
		happening{"a call that was cancelled", call(context.Canceled)},
		happening{"a call that took too long", call(context.DeadlineExceeded)},
		happening{"cancelled", context.Canceled},
		happening{"too late", context.DeadlineExceeded},
		happening{"an answer that is no JSON", errors.New("invalid character '<'")},
		happening{"an error of our own", fault.Newf(fault.Permanent, fault.Foreign, "", "", "ours").WithHint("do this")},
	)
}

// all finds an E in each error that holds one.
func all[E error](list []happening) (found []E) {
	for _, h := range list {
		if e, ok := errors.AsType[E](h.err); ok {
			found = append(found, e)
		}
	}
	return found
}

func TestNoRowIsHiddenByAnother(t *testing.T) {
	responses := all[*api.ResponseError](happenings())
	faulttest.EveryRow(t, answers, responses...)
	faulttest.EveryRow(t, loginAnswers, responses...)
	faulttest.EveryRow(t, silences, all[error](happenings())...)
}

func TestWhatVaultsErrorsMean(t *testing.T) {
	var page faulttest.Page
	for _, h := range happenings() {
		page.Add(h.name, toFault("write", "secret/x", h.err))
	}
	page.Compare(t, "testdata/errors.txt")
}

func TestWhatErrorsOfALoginMean(t *testing.T) {
	var page faulttest.Page
	for _, h := range happenings() {
		page.Add(h.name, loginFailed("approle", h.err))
	}
	page.Add("a token that Vault does not know", loginFailed("token", &api.ResponseError{
		HTTPMethod: "GET", URL: "https://vault.example/v1/auth/token/lookup-self", StatusCode: 403, Errors: []string{"permission denied", "invalid token"},
	}))
	page.Compare(t, "testdata/login-errors.txt")
}
