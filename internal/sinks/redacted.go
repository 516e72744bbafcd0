package sinks

import (
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
)

// Redacted returns err, if it is one, as a *fault.Error whose texts are fit to be shown: cause and
// hint without secrets and what looks like one, on one line, and cut; operation and object, which are our own words,
// only made printable. Of its cause it keeps only whether a context ended.
func Redacted(err error, secrets ...secret.Value) error {
	if err == nil {
		return nil
	}
	f, c := *fault.Of(err), redact.New(secrets...)
	f.Op, f.Object, f.Hint = redact.Printable(f.Op), redact.Printable(f.Object), c.Text(f.Hint)
	f.Err = c.Error(f.Err)
	return &f
}
