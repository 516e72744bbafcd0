package servers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Process is a running server: one that reads its settings as a line of JSON from
// standard input, prints another when it is ready, and ends when standard input does.
type Process struct {
	cmd    *exec.Cmd
	stdin  io.Closer // the server ends when it is closed, even by our own death
	stderr bytes.Buffer
}

// Start starts a program with settings and waits until it is ready; its answer is
// decoded into ready. Whatever keeps it from that, and be it patience, is fatal to
// the test. The caller kills what was started.
func Start(t testing.TB, program string, patience time.Duration, settings, ready any) *Process {
	t.Helper()
	p := &Process{cmd: exec.Command(program)}
	p.cmd.Stderr = &p.stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start a server: %v", err)
	}
	p.stdin = in
	stuck := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer stuck.Stop()
	if err := exchangeSettings(in, out, settings, ready); err != nil {
		p.Kill()
		t.Fatalf("%s did not become ready: %v\n%s", program, err, &p.stderr)
	}
	return p
}

func exchangeSettings(in io.Writer, out io.Reader, settings, ready any) error {
	if err := json.NewEncoder(in).Encode(settings); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	return json.Unmarshal(line, ready)
}

// OS is the process as the operating system knows it, for signals.
func (p *Process) OS() *os.Process { return p.cmd.Process }

// Wait waits until the process has ended by itself.
func (p *Process) Wait() {
	_ = p.cmd.Wait()
	_ = p.stdin.Close()
}

// Kill ends the process, as a crash would; it reaches a frozen one too.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}
