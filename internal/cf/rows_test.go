package cf

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

// answered is a request that was answered: by whom that has a code, if that is not empty.
func answered(op operation, status int, code string) failedCall {
	x := &exchange{begun: true, status: status}
	if code != "" {
		no := false
		x.envelope = envelope{Success: &no, Errors: []apiError{{Code: []byte(code)}}}
	}
	return failedCall{op, x}
}

// broken is a request whose answer did not come to its end.
func broken(status int, err error) failedCall {
	return failedCall{createToken, &exchange{begun: true, status: status, err: err}}
}

// unsent is a request for which no connection was got.
func unsent(err error) failedCall {
	o := broken(0, err)
	o.x.trace.asked.Store(true)
	return o
}

func TestNoRowIsHiddenByAnother(t *testing.T) {
	yes, refused := true, errors.New("connection refused")
	incomplete := failedCall{createToken, &exchange{begun: true, status: 200, envelope: envelope{Success: &yes}}}
	faulttest.EveryRow(t, meanings,
		failedCall{createToken, &exchange{}},
		unsent(refused), unsent(context.DeadlineExceeded), broken(0, refused), broken(0, context.DeadlineExceeded),
		broken(200, io.ErrUnexpectedEOF), broken(200, context.DeadlineExceeded), incomplete,
		answered(createToken, 500, "1"), answered(createToken, 429, "1"), answered(createToken, 302, ""), answered(createToken, 404, ""),
		answered(createToken, 200, "1"), answered(createToken, 404, codeNoRelay), answered(createToken, 409, codeFull),
		answered(createToken, 401, "1"), answered(verifyAPIToken, 403, "1"), answered(createToken, 403, codeNoPermission), answered(createToken, 403, "1"),
		answered(rotateToken, 404, "1"), answered(getRelay, 404, "1"), answered(createToken, 405, "1"), answered(createToken, 409, "1"),
		answered(createToken, 400, codeBadExpiry), answered(createToken, 400, "1"),
	)
}
