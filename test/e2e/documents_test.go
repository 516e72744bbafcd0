package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

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
	"helm":             "test/chart renders, lints, installs, upgrades and uninstalls the chart",
	"kubectl":          "test/chart applies the objects on a kube-apiserver, as Helm does; there are no Pods that run",
	"make":             "CI, most targets; that each exists a test of the documents knows",
	"go":               "they are the tests themselves, and Go's own pprof",
	"docker":           "nobody: there is no Docker",
	"curl":             "nobody: it asks Cloudflare itself",
	"aws":              "nobody: there is no AWS",
	"vault":            "nobody: there is no client; the policies are tried in internal/sinks/vault",
	"cosign":           "nobody: nothing is signed yet",
	"skopeo":           "nobody: there is no registry",
	"sha256sum":        "nobody: nothing is released yet",
	"age-keygen":       "internal/secret reads what it writes, also of several keys",
	"cd":               "internal/secret: how an identity's file gets a second key",
	"(umask":           "internal/secret: how an identity's file gets a second key",
	"chown":            "internal/secret: how an identity's file gets a second key",
	"mv":               "internal/secret: how an identity's file gets a second key",
	"etcdctl":          "nobody: there is no client; the role is tried in internal/journal/etcdjournal",
	"runuser":          "TestTheJournalIsMovedToEtcdAndBackAndNothingIsMinted: the same command as the user that it runs as",
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
	h := helpPages{newWorld(t, 1), map[string]string{}}
	named := 0
	for _, file := range append(documents(t), "deploy/prometheus/rotatord.rules.yaml", "deploy/packages/config.yaml") {
		for _, m := range regexp.MustCompile("`(?:sudo -u rotatord )?rotatord\\s([a-z-][^`|]*)").FindAllStringSubmatch(readDocument(t, file), -1) {
			if m[1] == "is ready" { // what the log says
				continue
			}
			named++
			for _, missing := range h.unknownIn(m[1]) {
				t.Errorf("%s: `rotatord %s`: there is no %s", file, m[1], missing)
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d were found", named)
	}
}

// helpPages are what rotatord says of its verbs, each asked for once.
type helpPages struct {
	*world
	pages map[string]string
}

// unknownIn returns the verb and the flags of a use that rotatord does not have.
func (h helpPages) unknownIn(use string) (missing []string) {
	verb := regexp.MustCompile(`^(tokens prune|\S+)`).FindString(use)
	if h.pages[verb] == "" {
		h.pages[verb] = h.rotatord(append(strings.Fields(verb), "--help")...).Expect(h.t, 0).Out
	}
	if !strings.HasPrefix(verb, "-") && !strings.Contains(h.pages[verb], "rotatord "+verb) {
		missing = append(missing, "verb "+verb)
	}
	for _, flag := range regexp.MustCompile(`(?:^|\s)(--?[a-z-]+)`).FindAllStringSubmatch(use, -1) {
		if !regexp.MustCompile(`[ ,]` + flag[1] + `\b`).MatchString(h.pages[verb]) {
			missing = append(missing, "flag "+flag[1])
		}
	}
	return missing
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
