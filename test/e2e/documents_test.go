package e2e

import (
	"bufio"
	"os"
	"os/exec"
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

// notHere are the programs whose commands this test does not run, with who does.
var notHere = map[string]string{
	"apt":              "test/packages, on a machine of its own",
	"cp":               "test/packages, on a machine of its own",
	"dpkg":             "test/packages, on a machine of its own",
	"install":          "test/packages, on a machine of its own",
	"rm":               "test/packages, on a machine of its own",
	"systemctl":        "test/packages, on a machine of its own",
	"systemd-sysusers": "test/packages, on a machine of its own",
	"systemd-tmpfiles": "test/packages, on a machine of its own",
	"tar":              "test/packages, on a machine of its own",
	"helm":             "test/chart renders, lints and installs the chart",
	"kubectl":          "test/chart applies the objects; there is no kubectl",
	"make":             "CI, most targets; that each exists a test of the documents knows",
	"go":               "they are the tests themselves, and Go's own pprof",
	"docker":           "nobody: there is no Docker",
	"curl":             "nobody: it asks Cloudflare itself",
	"aws":              "nobody: there is no AWS",
	"vault":            "nobody: there is no client; the policies are tried in internal/sinks/vault",
	"cosign":           "nobody: nothing is signed yet",
	"sha256sum":        "nobody: nothing is released yet",
}

// Every command of every document is run to the letter, or it is told who runs it; in both cases what it names is there.
func TestTheCommandsOfTheDocumentsDoWhatTheyAreShownFor(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	unused := map[string]bool{}
	for name := range notHere {
		unused[name] = true
	}
	for _, file := range documents(t) {
		for _, c := range shownCommands(t, file) {
			name := c.program()
			delete(unused, name)
			r.checkPaths(c)
			switch {
			case c.isRun():
				r.run(c)
			case notHere[name] == "":
				t.Errorf("%s: nobody runs `%s`", file, c.text)
			}
		}
	}
	if r.ran < 12 || len(unused) > 0 {
		t.Errorf("%d commands were run; the documents show none of %v", r.ran, unused)
	}
}

// Commands within a line of text have placeholders: their verbs and flags are those that the program has.
func TestTheVerbsAndFlagsThatDocumentsNameExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	help := map[string]string{}
	named := 0
	for _, file := range append(documents(t), "deploy/prometheus/rotatord.rules.yaml", "deploy/packages/config.yaml") {
		for _, m := range regexp.MustCompile("`(?:sudo -u rotatord )?rotatord\\s([a-z-][^`|]*)").FindAllStringSubmatch(readDocument(t, file), -1) {
			words := strings.Fields(m[1])
			if m[1] == "is ready" { // what the log says
				continue
			}
			named++
			verb := words[:1]
			if len(words) > 1 && words[1] == "prune" {
				verb = words[:2]
			}
			key := strings.Join(verb, " ")
			if help[key] == "" {
				help[key] = w.rotatord(append(verb, "--help")...).Expect(t, 0).Out
			}
			if !strings.HasPrefix(key, "-") && !strings.Contains(help[key], "rotatord "+key) {
				t.Errorf("%s: `rotatord %s`: there is no such verb", file, m[1])
			}
			for _, flag := range regexp.MustCompile(`(?:^| )(--?[a-z-]+)`).FindAllStringSubmatch(m[1], -1) {
				if !regexp.MustCompile(`(?m)[ ,]` + flag[1] + `\b`).MatchString(help[key]) {
					t.Errorf("%s: `rotatord %s`: there is no flag %s", file, m[1], flag[1])
				}
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d were found", named)
	}
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

// reader follows the documents, beside a daemon with the relay that they speak of.
type reader struct {
	*world
	ran int
}

func newReader(t *testing.T) *reader {
	t.Helper()
	w := newWorld(t, 1)
	w.configure(settings{
		Defaults: "{schedule: \"0 4 * * 1\", initial: now, settle: 0s, grace: 12h, sinks: [disk]}",
		Relays:   "{live-main: {id: " + harness.RelayID(0) + ", tokens: {publish_subscribe: {}, subscribe: {}}}}",
	})
	for _, token := range w.sim.Tokens(harness.RelayID(0)) { // that Cloudflare made with the relay: a user revokes them
		w.revoke(harness.RelayID(0), token.ID)
	}
	w.start()
	harness.Check(t, os.Symlink(w.binary.Path(t), w.Path("rotatord")))
	w.env = append(w.env, "PATH="+w.Dir+":"+os.Getenv("PATH"), "ROTATORD_CONFIG="+w.ConfigFile())
	return &reader{world: w}
}

func (r *reader) run(c shownCommand) {
	r.t.Helper()
	text := strings.ReplaceAll(c.text, "new/usr/bin/rotatord ", "rotatord ")
	text = strings.ReplaceAll(text, "/run/rotatord/admin.sock", r.Socket())
	if inner, ok := c.inner(); ok {
		text = inner
	}
	r.ran++
	cmd := exec.Command("sh", "-c", text)
	cmd.Env, cmd.Dir = r.env, r.Dir
	if got := rotatord.Run(r.t, patience, cmd); got.Code != 0 {
		r.t.Errorf("%s: `%s`: exit code %d\n%s%s", c.file, c.text, got.Code, got.Out, got.Err)
	}
}

// checkPaths looks for the repository's files that a command names.
func (r *reader) checkPaths(c shownCommand) {
	r.t.Helper()
	for _, path := range regexp.MustCompile(`(?:deploy|docs|test|internal|cmd|cloudflare|vault|aws)/[\w./-]+|config\.example\.yaml`).FindAllString(c.text, -1) {
		found := false
		for _, folder := range []string{"", "deploy/policies"} {
			_, err := os.Stat(filepath.Join("../..", folder, path))
			found = found || err == nil
		}
		if !found {
			r.t.Errorf("%s: `%s`: there is no %s", c.file, c.text, path)
		}
	}
}
