package daemon

import (
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/internal/redact"
)

// hearLibraries has what libraries print of themselves go to log, until quiet is called. net/http repeats what a server sent
// without being asked, which may be the end of an answer that holds a token, and says so as often as the server likes.
func hearLibraries(log *zap.Logger) (quiet func()) {
	return zap.RedirectStdLog(log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { //nolint:forbidigo // nobody of ours logs there
		return cutting{zapcore.NewSamplerWithOptions(c, time.Minute, 1, 0)}
	})))
}

// cutting is a core that takes the beginning of a message alone, where nothing is quoted yet.
type cutting struct{ zapcore.Core }

// With implements zapcore.Core.
func (c cutting) With(fields []zapcore.Field) zapcore.Core { return cutting{c.Core.With(fields)} }

// Check implements zapcore.Core.
func (c cutting) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	e.Message, _, _ = strings.Cut(e.Message, `"`)
	e.Message = "of a library: " + redact.Cleaner{}.Text(e.Message)
	return c.Core.Check(e, checked)
}
