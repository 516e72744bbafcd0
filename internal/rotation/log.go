package rotation

import (
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func (w *worker) log() slotLog {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slotLog{w.engine.Log, zap.String("slot", w.nameLocked())}
}

// slotLog names its slot in every line. A logger made with zap's With would do so,
// too, and be thrown away after a line or two: that copies its encoder.
type slotLog struct {
	log  *zap.Logger
	slot zap.Field
}

func (l slotLog) Info(msg string, f ...zap.Field)  { l.write(zap.InfoLevel, msg, f) }
func (l slotLog) Warn(msg string, f ...zap.Field)  { l.write(zap.WarnLevel, msg, f) }
func (l slotLog) Error(msg string, f ...zap.Field) { l.write(zap.ErrorLevel, msg, f) }

func (l slotLog) write(level zapcore.Level, msg string, f []zap.Field) {
	l.log.Log(level, msg, slices.Insert(f, 0, l.slot)...)
}
