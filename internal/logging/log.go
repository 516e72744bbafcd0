// Package logging writes the log so that it holds up nobody.
//
// A Log takes whole lines. While somebody takes them at once, each is out when the call that logged
// it returns, so that a crash loses none. When one is late, because a pipe is full or a disk hangs,
// those after it wait in memory and nobody waits for them; where they would take too much, the
// least important go first, and a line says later how many. One goroutine writes.
//
// NewLogger makes a zap.Logger on a Log, in JSON or for people. Lines may lead to standard error,
// under a descriptor of its own (OpenStderr), or as entries with fields to systemd's journal
// (NewJournal, in systemd.go). What is said right before the end is out before it: Close, Sync and
// LastWords wait a second for that.
package logging

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap/zapcore"
)

const (
	room      = 8 << 20               // bytes of lines that wait
	patience  = 20 * time.Millisecond // how long a line is waited for while none is late
	lastWords = time.Second           // how long an end waits for what is still to be written
)

// Log takes the log's lines. While they are taken at once each is out when it has been logged, so
// that a crash loses none. When one is late, those after it wait in memory, and nobody waits for them. Where
// they would take more than 8 MiB those of the lowest level go first, and are counted, as is
// one that cannot be written. It is safe for concurrent use.
type Log struct {
	out     io.Writer
	notice  atomic.Pointer[func(dropped uint64) []byte]
	dropped atomic.Uint64
	told    uint64 // the writer's: how many of those a notice has told
	torn    bool   // the writer's: the last line is out in part

	mu    sync.Mutex
	lines [ranks][]line // of one rank, in order
	next  uint64
	size  int
	late  bool // a line was not taken at once, and some have waited ever since
	ended bool
	wake  chan struct{}
}

type line struct {
	number uint64 // in the order of all ranks
	text   []byte
	done   chan struct{} // closed once it is written or given up; nil: nobody waits
}

// Ranks of lines: those below go first. A mark is no line: it shows how far the writer is.
const (
	debugRank = iota
	infoRank
	warnRank
	errorRank
	markRank
	ranks
)

func rankOf(level zapcore.Level) int {
	return max(debugRank, min(int(level-zapcore.DebugLevel), errorRank))
}

// New makes a log whose lines go to out, which is called by one goroutine alone and may block.
func New(out io.Writer) *Log {
	l := &Log{out: out, wake: make(chan struct{}, 1)}
	go l.writeLines()
	return l
}

// setNotice sets the line that says, once there is room again, how many were dropped.
func (l *Log) setNotice(text func(dropped uint64) []byte) { l.notice.Store(&text) }

// Dropped counts the lines so far that were not written.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// putLine takes a copy of a line.
func (l *Log) putLine(level zapcore.Level, text []byte) {
	done := l.addLine(rankOf(level), text)
	if done == nil || waitFor(done, patience) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-done:
	default:
		l.late = true
	}
}

// Write implements io.Writer, for what is no line of a logger: it goes last.
func (l *Log) Write(text []byte) (int, error) {
	l.putLine(zapcore.ErrorLevel, text)
	return len(text), nil
}

// Sync waits until what was put before is written, a second at most.
func (l *Log) Sync() {
	if done := l.addLine(markRank, nil); done != nil {
		waitFor(done, lastWords)
	}
}

// Close is Sync, and ends the writing: what comes afterwards is dropped.
func (l *Log) Close() {
	l.Sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		close(l.wake)
	}
}

// LastWords is to be deferred: it has a panic wait until what was said before is out, a second at most.
func (l *Log) LastWords() {
	if p := recover(); p != nil {
		l.Sync()
		panic(p)
	}
}

// addLine queues a copy of a line. done, if not nil, is worth waiting for.
func (l *Log) addLine(rank int, text []byte) (done chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended && rank == markRank:
		return nil
	case l.ended || !l.makeRoom(rank, len(text)):
		l.dropped.Add(1)
		return nil
	}
	if rank == markRank || !l.late {
		done = make(chan struct{})
	}
	l.lines[rank] = append(l.lines[rank], line{l.next, bytes.Clone(text), done})
	l.next++
	l.size += len(text)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return done
}

// makeRoom gives up lines of lower ranks, the oldest of the lowest first, and reports whether there is
// room then. mu is held.
func (l *Log) makeRoom(rank, size int) bool {
	fits := func() bool { return l.size == 0 || size == 0 || l.size+size <= room }
	for r := 0; r < rank && !fits(); r++ {
		for len(l.lines[r]) > 0 && !fits() {
			l.dropped.Add(1)
			l.popLine(r).finish()
		}
	}
	return fits()
}

// popLine takes the oldest line of a rank. mu is held.
func (l *Log) popLine(rank int) line {
	list := l.lines[rank]
	first := list[0]
	list[0] = line{}
	if list = list[1:]; len(list) == 0 {
		list = nil // with the memory that a crowd took
	}
	l.lines[rank] = list
	l.size -= len(first.text)
	return first
}

func (f line) finish() {
	if f.done != nil {
		close(f.done)
	}
}

func (l *Log) writeLines() {
	for range l.wake {
		for first, ok := l.takeLine(); ok; first, ok = l.takeLine() {
			if l.writeLine(first.text) && l.isEmpty() {
				l.tellDropped()
			}
			first.finish()
		}
	}
}

// takeLine takes the oldest line of all.
func (l *Log) takeLine() (line, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := -1
	for r := range ranks {
		if len(l.lines[r]) > 0 && (oldest < 0 || l.lines[r][0].number < l.lines[oldest][0].number) {
			oldest = r
		}
	}
	if oldest < 0 {
		l.late = false
		return line{}, false
	}
	return l.popLine(oldest), true
}

func (l *Log) isEmpty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size == 0
}

// writeLine writes a line whole, or counts it, and reports which.
func (l *Log) writeLine(text []byte) bool {
	if len(text) > 0 && !l.writeWhole(text) {
		l.dropped.Add(1)
		return false
	}
	return true
}

// writeWhole reports whether a line is out whole; after one that is out in part it begins a line of its own.
func (l *Log) writeWhole(text []byte) bool {
	if l.torn {
		text = append([]byte{'\n'}, text...)
	}
	n, err := l.out.Write(text)
	if n > 0 {
		l.torn = n < len(text)
	}
	return err == nil
}

// tellDropped says how many lines were dropped since it last did; not in a line that counts itself.
func (l *Log) tellDropped() {
	notice, dropped := l.notice.Load(), l.Dropped()
	if notice != nil && dropped > l.told && l.writeWhole((*notice)(dropped-l.told)) {
		l.told = dropped
	}
}

// waitFor reports whether done was closed within d.
func waitFor(done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
