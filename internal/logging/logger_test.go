package logging

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestALoggerWritesALineAnEventForMachinesOrForPeople(t *testing.T) {
	for format, want := range map[string][]string{
		"json":    {`{"level":"warn","time":"2`, `"msg":"careful"`, `"retry_in":"2s"`},
		"console": {"  WARN  careful  ", `{"retry_in": "2s"}`},
	} {
		var out bytes.Buffer
		lines := New(&out)
		log := NewLogger(lines, zap.NewAtomicLevelAt(zap.InfoLevel), format)
		log.Debug("too much")
		log.Warn("careful", zap.Duration("retry_in", 2*time.Second))
		lines.Close()
		if strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: %s, want one line", format, out.String())
		}
		for _, part := range want {
			if !strings.Contains(out.String(), part) {
				t.Errorf("%s: %s lacks %q", format, out.String(), part)
			}
		}
	}
}

func TestOnlyStandardErrorHasADescriptorOfItsOwn(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, w := range []io.Writer{&bytes.Buffer{}, f} {
		if _, err := OpenStderr(w); err == nil {
			t.Errorf("%T is taken for standard error", w)
		}
	}
	own, err := OpenStderr(os.NewFile(2, "/dev/stderr")) // os.Stderr may be another file under `go test -json`
	if err != nil {
		t.Fatal(err)
	}
	if fd := own.(*stderr).own.Fd(); fd <= 2 {
		t.Errorf("it shares descriptor %d", fd)
	}
}
