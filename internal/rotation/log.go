package rotation

import (
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func (w *worker) log() slotLog {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logLocked()
}

// logLocked returns the slot's log; w.mu is held.
func (w *worker) logLocked() slotLog {
	name := w.nameLocked()
	relay, _, _ := strings.Cut(name, "/")
	return slotLog{w.engine.Log, [...]zap.Field{zap.String("slot", name), zap.String("relay", relay), zap.String("account", w.accountName())}}
}

// slotLog names its slot, with its relay and account, in every line. A logger made with zap's With would do so,
// too, and be thrown away after a line or two: that copies its encoder.
type slotLog struct {
	log   *zap.Logger
	whose [3]zap.Field
}

func (l slotLog) Info(msg string, f ...zap.Field)  { l.write(zap.InfoLevel, msg, f) }
func (l slotLog) Warn(msg string, f ...zap.Field)  { l.write(zap.WarnLevel, msg, f) }
func (l slotLog) Error(msg string, f ...zap.Field) { l.write(zap.ErrorLevel, msg, f) }

func (l slotLog) write(level zapcore.Level, msg string, f []zap.Field) {
	l.log.Log(level, msg, slices.Insert(f, 0, l.whose[:]...)...)
}

// sinkField names the sink that a line is about, if it is about one.
func sinkField(name string) zap.Field {
	if name == "" {
		return zap.Skip()
	}
	return zap.String("sink", name)
}
