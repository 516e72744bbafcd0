package logging

import (
	"bytes"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newCore returns a zap core that puts entries at enabled levels into l.
func newCore(enc zapcore.Encoder, l *Log, enabled zapcore.LevelEnabler) zapcore.Core {
	l.setNotice(func(dropped uint64) []byte {
		e := zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(), Message: "lines of the log were dropped: they could not be written, or nobody took them"}
		text, err := enc.EncodeEntry(e, []zapcore.Field{zap.Uint64("lines", dropped)})
		if err != nil {
			return nil
		}
		defer text.Free()
		return bytes.Clone(text.Bytes())
	})
	return &core{enabled, enc, l}
}

type core struct {
	zapcore.LevelEnabler
	enc zapcore.Encoder
	log *Log
}

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	enc := c.enc.Clone()
	for _, f := range fields {
		f.AddTo(enc)
	}
	return &core{c.LevelEnabler, enc, c.log}
}

// Check implements zapcore.Core.
func (c *core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core. Errors are counted, not returned: zap would print them to where they come from.
func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	text, err := c.enc.EncodeEntry(e, fields)
	if err != nil {
		return err
	}
	c.log.putLine(e.Level, text.Bytes())
	text.Free()
	if e.Level > zapcore.ErrorLevel {
		c.log.Sync() // it may be the last
	}
	return nil
}

// Sync implements zapcore.Core.
func (c *core) Sync() error {
	c.log.Sync()
	return nil
}
