package e2e

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

// shownCommand is one that a document shows.
type shownCommand struct {
	file, text string
}

// shownCommands returns the commands of a document's blocks: those that are fenced as sh, and the indented ones.
func shownCommands(t *testing.T, file string) (out []shownCommand) {
	t.Helper()
	for _, block := range commandBlocks(readDocument(t, file)) {
		block = strings.ReplaceAll(block, "\\\n", " ")
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(" "+line, " #")
			if text := strings.TrimSpace(line); text != "" {
				out = append(out, shownCommand{file, text})
			}
		}
	}
	return out
}

// commandBlocks finds the blocks that are commands: YAML, which begins with a key, is not.
func commandBlocks(text string) (out []string) {
	block, fence, blank := "", "", true
	keep := func() {
		if !regexp.MustCompile(`^\s*[\w./-]+:(\s|$)`).MatchString(block) && block != "" {
			out = append(out, block)
		}
		block = ""
	}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(strings.TrimLeft(line, " "), "```"):
			keep()
			fence = map[bool]string{true: strings.TrimSpace(line)}[fence == ""]
		case fence == "```sh", fence == "" && strings.HasPrefix(line, "    ") && (blank || block != ""):
			block += line + "\n"
		case fence == "":
			keep()
		}
		blank = line == ""
	}
	keep()
	return out
}

func readDocument(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", file))
	harness.Check(t, err)
	return string(text)
}

// documents returns the paths of all that tell a user what to type.
func documents(t *testing.T) (out []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", ".github/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		harness.Check(t, err)
		for _, path := range found {
			out = append(out, strings.TrimPrefix(path, "../../"))
		}
	}
	if len(out) < 15 {
		t.Fatalf("only %q were found", out)
	}
	return out
}

// words returns the command without the variables before it.
func (c shownCommand) words() []string {
	words := strings.Fields(c.text)
	for len(words) > 1 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) {
		words = words[1:]
	}
	return words
}

func (c shownCommand) program() string { return filepath.Base(c.words()[0]) }

// inner returns what it has rotatord do in a container or a pod.
func (c shownCommand) inner() (string, bool) {
	_, args, ok := strings.Cut(c.text, " /rotatord ")
	return "rotatord " + args, ok
}

// isRun reports whether it can be run beside a daemon on this machine.
func (c shownCommand) isRun() bool {
	_, inside := c.inner()
	return inside || c.program() == "rotatord" || strings.Contains(c.text, "--unix-socket")
}
