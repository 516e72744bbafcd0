package logging

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// JournalSocket is where systemd's journal takes entries.
const JournalSocket = "/run/systemd/journal/socket"

// IsJournal reports whether a descriptor leads to systemd's journal, which names its stream in the variable
// JOURNAL_STREAM.
func IsJournal(fd int, stream string) bool {
	var st unix.Stat_t
	return stream != "" && unix.Fstat(fd, &st) == nil && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// systemdJournal writes lines of JSON as entries of systemd's journal, with their fields.
type systemdJournal struct {
	socket   string
	fallback io.Writer
	conn     *net.UnixConn
}

// NewJournal returns a writer of lines that become entries of the journal behind a socket. A line that the
// journal does not take goes to fallback as it is. One goroutine at a time may write to it.
func NewJournal(socket string, fallback io.Writer) io.Writer {
	return &systemdJournal{socket: socket, fallback: fallback}
}

// format returns how a logger is to write: only JSON can be told apart into the journal's fields.
func (l *Log) format(configured string) string {
	if _, ok := l.out.(*systemdJournal); ok {
		return "json"
	}
	return configured
}

// Write implements io.Writer.
func (j *systemdJournal) Write(line []byte) (int, error) {
	if j.send(entryOf(line)) == nil {
		return len(line), nil
	}
	return j.fallback.Write(line)
}

func (j *systemdJournal) send(entry []byte) (err error) {
	if j.conn == nil {
		if j.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"}); err != nil {
			return err
		}
	}
	to := &net.UnixAddr{Name: j.socket, Net: "unixgram"}
	_, _, err = j.conn.WriteMsgUnix(entry, nil, to)
	if !errors.Is(err, unix.EMSGSIZE) && !errors.Is(err, unix.ENOBUFS) {
		return err
	}
	f, err := inMemory(entry)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it is in memory
	_, _, err = j.conn.WriteMsgUnix(nil, unix.UnixRights(int(f.Fd())), to)
	return err
}

// inMemory returns a sealed file with what is too large for a datagram.
func inMemory(entry []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("rotatord-log", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "rotatord-log")
	_, err = f.Write(entry)
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// priorityOf returns syslog's of a level. What is no line of a logger has none, and is what a process ends with.
func priorityOf(level string) string {
	switch level {
	case "debug":
		return "7"
	case "info":
		return "6"
	case "warn":
		return "4"
	case "error", "":
		return "3"
	}
	return "2"
}

// entryOf returns a line in the journal's own format: a field for each key of its JSON, by its name in capitals.
func entryOf(line []byte) []byte {
	fields := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if dec.Decode(&fields) != nil {
		fields = map[string]any{"msg": string(bytes.TrimSpace(line))}
	}
	var b bytes.Buffer
	addField(&b, "MESSAGE", messageOf(fields))
	level, _ := fields["level"].(string)
	addField(&b, "PRIORITY", priorityOf(level))
	addField(&b, "SYSLOG_IDENTIFIER", "rotatord")
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if key != "level" && key != "msg" {
			addField(&b, fieldName(key), fieldText(fields[key]))
		}
	}
	return b.Bytes()
}

// messageOf returns all that journalctl shows of a line: it names the slot and tells of the error, and where there are
// neither, of all the line has.
func messageOf(fields map[string]any) string {
	text := func(key string) string { s, _ := fields[key].(string); return s }
	switch slot, err := text("slot"), text("error"); {
	case slot != "" && err != "":
		return slot + ": " + text("msg") + ": " + err
	case slot != "":
		return slot + ": " + text("msg")
	case err != "":
		return text("msg") + ": " + err
	}
	return text("msg") + detailsOf(fields)
}

// longDetail is as much as one field may add to a message.
const longDetail = 200

func detailsOf(fields map[string]any) string {
	var details []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value := fieldText(fields[key])
		if key != "level" && key != "msg" && key != "time" && len(value) <= longDetail {
			details = append(details, key+" "+value)
		}
	}
	if len(details) == 0 {
		return ""
	}
	return " (" + strings.Join(details, ", ") + ")"
}

// fieldName makes a key a name that the journal takes.
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
	if name = strings.TrimLeft(name, "_0123456789"); len(name) > 64 {
		name = name[:64]
	}
	return name
}

func fieldText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// addField adds a field; one of several lines has its length before it.
func addField(b *bytes.Buffer, name, text string) {
	switch {
	case name == "":
	case strings.Contains(text, "\n"):
		b.WriteString(name + "\n")
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text))))
		b.WriteString(text + "\n")
	default:
		b.WriteString(name + "=" + text + "\n")
	}
}
