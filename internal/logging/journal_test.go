package logging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/secret"
)

// journald takes entries as systemd's journal does.
type journald struct {
	*net.UnixConn
	socket string
}

func newJournald(t *testing.T) journald {
	t.Helper()
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return journald{conn, socket}
}

// entry returns the next entry's fields.
func (j journald) entry(t *testing.T) map[string]string {
	t.Helper()
	text, oob := make([]byte, 1<<20), make([]byte, 64)
	n, rights, _, _, err := j.ReadMsgUnix(text, oob)
	if err != nil {
		t.Fatal(err)
	}
	if text = text[:n]; rights > 0 {
		text = contentOf(t, oob[:rights])
	}
	return fieldsOf(t, text)
}

func contentOf(t *testing.T, oob []byte) []byte {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&unix.F_SEAL_WRITE == 0 {
		t.Errorf("seals %d: %v", seals, err)
	}
	_, _ = f.Seek(0, io.SeekStart)
	text, _ := io.ReadAll(f)
	return text
}

func fieldsOf(t *testing.T, text []byte) map[string]string {
	t.Helper()
	fields := map[string]string{}
	for len(text) > 0 {
		head, rest, ended := bytes.Cut(text, []byte("\n"))
		name, value, oneLine := strings.Cut(string(head), "=")
		if !ended {
			t.Fatalf("%q does not end", head)
		}
		if !oneLine {
			size := binary.LittleEndian.Uint64(rest)
			value, rest = string(rest[8:8+size]), rest[8+size+1:]
		}
		fields[name], text = value, rest
	}
	return fields
}

func (j journald) logger(fallback io.Writer) (*zap.Logger, *Log) {
	lines := New(NewJournal(j.socket, fallback))
	return NewLogger(lines, zap.NewAtomicLevelAt(zap.DebugLevel), "console"), lines
}

func TestAnEntryOfTheJournalHasItsPriorityAndFields(t *testing.T) {
	j := newJournald(t)
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

func TestALargeEntryGoesToTheJournalInAFile(t *testing.T) {
	j := newJournald(t)
	log, lines := j.logger(io.Discard)
	defer lines.Close()
	large := strings.Repeat("x", 700<<10)
	log.Info("large", zap.String("text", large))
	if got := j.entry(t); got["TEXT"] != large || got["MESSAGE"] != "large" {
		t.Errorf("message %q, %d bytes of text", got["MESSAGE"], len(got["TEXT"]))
	}
}

func TestWhatTheJournalDoesNotTakeIsWrittenAsJSON(t *testing.T) {
	j := newJournald(t)
	var out bytes.Buffer
	log, lines := j.logger(&out)
	_ = j.Close()
	_ = os.Remove(j.socket)
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
	j := newJournald(t)
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
