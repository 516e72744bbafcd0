package logging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/logging/journaltest"
	"github.com/rotatord/rotatord/internal/secret"
)

type journald struct{ journaltest.Server }

// entry returns the next entry's fields.
func (j journald) entry(t *testing.T) map[string]string {
	t.Helper()
	fields, err := j.Next()
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func (j journald) logger(fallback io.Writer) (*zap.Logger, *Log) {
	lines := New(NewJournal(j.Socket, fallback))
	return NewLogger(lines, zap.NewAtomicLevelAt(zap.DebugLevel), "console"), lines
}

func TestAnEntryOfTheJournalHasItsPriorityAndFields(t *testing.T) {
	j := journald{journaltest.Start(t)}
	log, lines := j.logger(io.Discard)
	defer lines.Close()
	log.Warn("attempt failed", zap.String("slot", "live/subscribe"), zap.String("relay", "live"), zap.String("account", "main"),
		zap.String("sink", "disk"), zap.String("step", "deliver"), zap.Int("consecutive", 2), zap.Error(errors.New("no room:\nfull")))
	got := j.entry(t)
	for name, want := range map[string]string{
		"MESSAGE": "live/subscribe: attempt failed: no room:\nfull", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "rotatord",
		"RELAY": "live", "ACCOUNT": "main", "SINK": "disk", "STEP": "deliver", "CONSECUTIVE": "2", "ERROR": "no room:\nfull",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for level, priority := range map[string]func(string, ...zap.Field){"3": log.Error, "6": log.Info, "7": log.Debug} {
		priority("any")
		if got := j.entry(t)["PRIORITY"]; got != level {
			t.Errorf("priority %s, want %s", got, level)
		}
	}
	_, _ = lines.Write([]byte("rotatord: it ends\n"))
	if got := j.entry(t); got["MESSAGE"] != "rotatord: it ends" || got["PRIORITY"] != "3" {
		t.Errorf("what is no line of a logger: %q", got)
	}
}

func TestTheMessageOfALineThatIsOfNoSlotHasItsFields(t *testing.T) {
	j := journald{journaltest.Start(t)}
	log, lines := j.logger(io.Discard)
	defer lines.Close()
	log.Warn("failed login", zap.String("user", "guess"), zap.String("from", "192.0.2.1"), zap.Int("n", 2))
	if got, want := j.entry(t)["MESSAGE"], "failed login (from 192.0.2.1, n 2, user guess)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	log.Warn("it fails", zap.String("from", "192.0.2.1"), zap.Error(errors.New("no room")))
	if got, want := j.entry(t)["MESSAGE"], "it fails: no room"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestALargeEntryGoesToTheJournalInAFile(t *testing.T) {
	j := journald{journaltest.Start(t)}
	log, lines := j.logger(io.Discard)
	defer lines.Close()
	large := strings.Repeat("x", 700<<10)
	log.Info("large", zap.String("text", large))
	if got := j.entry(t); got["TEXT"] != large || got["MESSAGE"] != "large" {
		t.Errorf("message %q, %d bytes of text", got["MESSAGE"], len(got["TEXT"]))
	}
}

func TestWhatTheJournalDoesNotTakeIsWrittenAsJSON(t *testing.T) {
	j := journald{journaltest.Start(t)}
	var out bytes.Buffer
	log, lines := j.logger(&out)
	_ = j.Close()
	_ = os.Remove(j.Socket)
	log.Info("kept", zap.Int("n", 1))
	lines.Close()
	if !strings.Contains(out.String(), `"msg":"kept","n":1}`) || lines.Dropped() != 0 {
		t.Errorf("it reads %q, %d dropped", &out, lines.Dropped())
	}
}

func TestNoSecretReachesTheJournal(t *testing.T) {
	const canary = "the-canary"
	v := secret.New(canary)
	if v.Reveal() != canary {
		t.Fatal("there is no canary")
	}
	j := journald{journaltest.Start(t)}
	log, lines := j.logger(io.Discard)
	defer lines.Close()
	log.Error(fmt.Sprint("value ", v), zap.Any("value", v), zap.Error(fmt.Errorf("refused: %v", v)), zap.Reflect("all", map[string]any{"v": v}))
	if got := fmt.Sprint(j.entry(t)); strings.Contains(got, canary) || !strings.Contains(got, "refused") {
		t.Errorf("the journal has %s", got)
	}
}

func TestOnlyAStreamOfTheJournalIsTakenForIt(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]bool{
		fmt.Sprintf("%d:%d", st.Dev, st.Ino): true, fmt.Sprintf("%d:%d", st.Dev, st.Ino+1): false, "": false, "any": false,
	} {
		if got := IsJournal(int(f.Fd()), stream); got != want {
			t.Errorf("%q: %t", stream, got)
		}
	}
}
