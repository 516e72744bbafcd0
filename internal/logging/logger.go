package logging

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger returns a logger that writes one line an event to l: JSON, for machines, or where format is
// "console" plain text, for people. To the journal it is JSON, which becomes the journal's fields.
func NewLogger(l *Log, level zap.AtomicLevel, format string) *zap.Logger {
	ec := zap.NewProductionEncoderConfig()
	ec.TimeKey, ec.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	ec.EncodeDuration = zapcore.StringDurationEncoder
	ec.CallerKey = zapcore.OmitKey
	enc := zapcore.NewJSONEncoder(ec)
	if l.format(format) == "console" {
		ec.EncodeTime = zapcore.TimeEncoderOfLayout(time.DateTime)
		ec.EncodeLevel = zapcore.CapitalLevelEncoder
		ec.ConsoleSeparator = "  "
		enc = zapcore.NewConsoleEncoder(ec)
	}
	return zap.New(newCore(enc, l, level), zap.ErrorOutput(zapcore.AddSync(l)))
}
