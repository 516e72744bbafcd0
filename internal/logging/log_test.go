package logging

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// pipe is where a log goes to. Its reader may rest, and its disk be full.
type pipe struct {
	reading chan struct{} // holds an element unless somebody rests

	mu   sync.Mutex
	full bool
	fits int // bytes of a line that still fit
	text bytes.Buffer
}

func (p *pipe) Write(text []byte) (int, error) {
	p.rest()
	defer p.read()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		n, _ := p.text.Write(text[:min(p.fits, len(text))])
		return n, syscall.ENOSPC
	}
	return p.text.Write(text)
}

func newPipe() *pipe {
	p := &pipe{reading: make(chan struct{}, 1)}
	p.read()
	return p
}

func (p *pipe) rest() { <-p.reading }
func (p *pipe) read() { p.reading <- struct{}{} }

func (p *pipe) fill(full bool, fits int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full, p.fits = full, fits
}

func (p *pipe) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Split(strings.TrimSuffix(p.text.String(), "\n"), "\n")
}

// took is how long f took, in the time of the bubble.
func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func TestALineIsOutWhenItWasPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		l := New(p)
		defer l.Close()
		for n := range 100 {
			text := fmt.Appendf(nil, "line %d\n", n)
			l.putLine(zapcore.DebugLevel, text)
			copy(text, "reused") // as the logger does
			if lines := p.lines(); len(lines) != n+1 || lines[n] != fmt.Sprintf("line %d", n) {
				t.Fatalf("after line %d: %q", n, lines)
			}
		}
	})
}

func TestALogThatNobodyReadsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		l := New(p)
		p.rest()
		if d := took(func() { l.putLine(zapcore.InfoLevel, []byte("0\n")) }); d > patience {
			t.Errorf("the first line took %s", d)
		}
		if d := took(func() {
			for n := range 1000 {
				l.putLine(zapcore.InfoLevel, fmt.Appendf(nil, "%d\n", n+1))
			}
		}); d != 0 {
			t.Errorf("the lines after it took %s", d)
		}
		p.read()
		synctest.Wait()
		lines := p.lines()
		for n := range 1001 {
			if len(lines) != 1001 || lines[n] != fmt.Sprint(n) {
				t.Fatalf("%d lines came, line %d is %q", len(lines), n, lines[n])
			}
		}
		l.putLine(zapcore.InfoLevel, []byte("again\n"))
		if lines := p.lines(); lines[len(lines)-1] != "again" {
			t.Error("once all has been read, a line is not out when it was put")
		}
		l.Close()
		if l.Dropped() != 0 {
			t.Errorf("%d lines dropped, though there was room", l.Dropped())
		}
	})
}

// Lines of 64 KiB: 128 fit.
func TestTheLeastImportantLinesGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		l := New(p)
		p.rest()
		put := func(level zapcore.Level, n int) {
			for range n {
				l.putLine(level, fmt.Appendf(nil, "%-65535s\n", level))
			}
		}
		put(zapcore.ErrorLevel, 1) // in the writer's hand
		put(zapcore.DebugLevel, 30)
		put(zapcore.InfoLevel, 30)
		put(zapcore.WarnLevel, 40)
		put(zapcore.ErrorLevel, 28)
		for _, c := range []struct {
			level   zapcore.Level
			puts    int
			dropped uint64
			left    string
		}{
			{zapcore.DebugLevel, 5, 5, "debug 30 info 30 warn 40 error 28"}, // no room for it
			{zapcore.InfoLevel, 10, 10, "debug 20 info 40 warn 40 error 28"},
			{zapcore.ErrorLevel, 30, 30, "debug 0 info 30 warn 40 error 58"},
			{zapcore.InfoLevel, 7, 7, "debug 0 info 30 warn 40 error 58"},
			{zapcore.WarnLevel, 30, 30, "debug 0 info 0 warn 70 error 58"},
			{zapcore.FatalLevel, 60, 60, "debug 0 info 0 warn 10 error 118"},
			{zapcore.ErrorLevel, 20, 20, "debug 0 info 0 warn 0 error 128"},
		} {
			before := l.Dropped()
			put(c.level, c.puts)
			left := fmt.Sprintf("debug %d info %d warn %d error %d", len(l.lines[debugRank]), len(l.lines[infoRank]), len(l.lines[warnRank]), len(l.lines[errorRank]))
			if l.Dropped()-before != c.dropped || left != c.left {
				t.Errorf("after %d of %s: %d dropped, left %s; want %d, %s", c.puts, c.level, l.Dropped()-before, left, c.dropped, c.left)
			}
		}
		p.read()
		l.Close()
		if n := len(p.lines()); n != 129 || l.size != 0 {
			t.Errorf("%d lines came, %d bytes are left", n, l.size)
		}
	})
}

func TestALineThatCannotBeWrittenCountsAndTearsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		l := New(p)
		defer l.Close()
		l.putLine(zapcore.InfoLevel, []byte("one\n"))
		p.fill(true, 2)
		l.putLine(zapcore.InfoLevel, []byte("two\n"))
		p.fill(true, 0)
		l.putLine(zapcore.ErrorLevel, []byte("three\n"))
		p.fill(false, 0)
		l.putLine(zapcore.InfoLevel, []byte("four\n"))
		l.putLine(zapcore.InfoLevel, []byte("five\n"))
		if got := strings.Join(p.lines(), " "); got != "one tw four five" || l.Dropped() != 2 {
			t.Errorf("it reads %q, %d dropped", got, l.Dropped())
		}
	})
}

func TestTheLogTellsOnceHowMuchItLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		l := New(p)
		defer l.Close()
		log := zap.New(newCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), l, zapcore.DebugLevel)).With(zap.Int("with", 1))
		p.fill(true, 0)
		for range 3 {
			log.Info("lost")
		}
		p.fill(false, 0)
		log.Info("kept")
		log.Info("kept")
		lines := p.lines()
		if len(lines) != 3 || !strings.Contains(lines[0], "kept") || !strings.Contains(lines[0], `"with":1`) ||
			!strings.Contains(lines[1], `"lines":3`) || !strings.Contains(lines[2], "kept") || l.Dropped() != 3 {
			t.Errorf("%d dropped; it reads\n%s", l.Dropped(), strings.Join(lines, "\n"))
		}
	})
}

func TestAnEndWaitsASecondForALogThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		l := New(p)
		log := zap.New(newCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), l, zapcore.DebugLevel))
		p.rest()
		log.Info("late")
		for _, end := range []func(){
			func() {
				defer func() { _ = recover() }()
				log.Panic("the end")
			},
			func() {
				defer func() {
					if recover() != "any" {
						t.Error("the panic went no further")
					}
				}()
				defer l.LastWords()
				panic("any")
			},
			func() { _ = log.Sync() },
			func() {
				l.Close()
				l.Close()
				log.Info("after the end")
			},
		} {
			if d := took(end); d < lastWords || d > 2*lastWords {
				t.Errorf("an end took %s", d)
			}
		}
		p.read()
		synctest.Wait()
		if text := strings.Join(p.lines(), " "); !strings.Contains(text, "late") || !strings.Contains(text, "the end") {
			t.Errorf("it reads %q", text)
		}
	})
}

func TestNoPanicKeepsWhatWasSaidBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		l := New(p)
		defer l.Close()
		p.rest()
		l.putLine(zapcore.InfoLevel, []byte("said\n"))
		l.putLine(zapcore.InfoLevel, []byte("said too\n"))
		time.AfterFunc(lastWords/2, p.read)
		func() {
			defer func() { _ = recover() }()
			defer l.LastWords()
			panic("any")
		}()
		if got := strings.Join(p.lines(), ", "); got != "said, said too" {
			t.Errorf("when the process ends, it reads %q", got)
		}
	})
}

func TestEveryLineIsWrittenOrCounted(t *testing.T) {
	p := newPipe()
	l := New(p)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 150 {
				l.putLine(zapcore.Level(n%4-1), fmt.Appendf(nil, "%-20000d\n", i))
			}
		})
	}
	for range 100 {
		p.rest()
		p.fill(l.Dropped()%2 == 1, 0)
		p.read()
	}
	all.Wait()
	p.fill(false, 0)
	l.Close()
	if got := uint64(len(p.lines())) + l.Dropped(); got != 8*150 {
		t.Errorf("%d lines were written or counted, want %d", got, 8*150)
	}
}
