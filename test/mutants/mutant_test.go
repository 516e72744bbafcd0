package main

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

const root = "../.."

// The run itself takes minutes; that a patch is stale shows here at once.
func TestEveryPatchStillAppliesToTheCode(t *testing.T) {
	all, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < floor {
		t.Errorf("only %d mutants were found, fewer than %d", len(all), floor)
	}
	together, err := combine(root, all)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range together.files() {
		if _, err := format.Source([]byte(text)); err != nil {
			t.Errorf("together they leave %s as no Go: %v", path, err)
		}
	}
}

func TestGitTakesEveryPatch(t *testing.T) {
	git := harness.NeedTool(t, "git")
	files, err := filepath.Glob(filepath.Join(root, patches, "*.patch"))
	if err != nil || len(files) < floor {
		t.Fatalf("only %q were found (%v)", files, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		check := exec.Command(git, "apply", "--check", patches+"/"+name)
		check.Dir = root
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestEveryPatchNamesAPromiseThatIsGiven(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if !strings.Contains(string(text), "\n## "+m.promise+"\n") {
			t.Errorf("%s: docs/guarantees.md has no heading %q", fileName(m.name), m.promise)
		}
	}
}

const change = "\n--- a/internal/slot/decide.go\n+++ b/internal/slot/decide.go\n@@ -1 +1 @@\n-package slot\n+package s\n"

func TestTheHeadOfAPatchSaysWhatItBreaksAndWhoIsToCatchIt(t *testing.T) {
	const first = "A token's grace is not waited for.\n"
	const promise = `promise: docs/guarantees.md, "6. No litter"` + "\n"
	const more = "It is the shortest way to lose a consumer.\ncaught-by: transcripts\n"
	m, err := parseMutant(first + promise + more + change)
	if err != nil || m.name != "a token's grace is not waited for" || m.promise != "6. No litter" ||
		m.caughtBy != transcripts || len(m.patch) != 1 {
		t.Errorf("read %+v, %v", m, err)
	}
	if got := fileName(m.name); got != "a-tokens-grace-is-not-waited-for.patch" {
		t.Errorf("its file is %s", got)
	}
	for text, refused := range map[string]string{
		first + change:                  "its head lacks what it breaks, or the line promise",
		change:                          "its head lacks what it breaks, or the line promise",
		first + "promise: 6\n" + change: "is not of the form",
		first + promise + "caught-by: luck\n" + change: `caught-by may be transcripts, or be left out, and not "luck"`,
		first + promise: "it holds no diff",
	} {
		if _, err := parseMutant(text); err == nil || !strings.Contains(err.Error(), refused) {
			t.Errorf("%q is refused with %v, want %q", text, err, refused)
		}
	}
}

func TestAPatchIsTriedOnTheTestsOfWhatItChangesAndThenOnTheExploration(t *testing.T) {
	const slow, quick = "internal/rotation -test.run", "internal/rotation -test.skip"
	for name, c := range map[string]struct {
		files    []string
		caughtBy string
		want     []string
	}{
		"the engine":   {[]string{"internal/rotation/mint.go"}, "", []string{quick, slow}},
		"the decision": {[]string{"internal/slot/decide.go"}, "", []string{"internal/slot ", quick, slow}},
		"both": {
			[]string{"internal/slot/due.go", "internal/rotation/mint.go", "internal/slot/plan.go"}, "",
			[]string{"internal/slot ", quick, slow},
		},
		"the transcripts alone": {[]string{"internal/slot/decide.go"}, transcripts, []string{"internal/slot "}},
	} {
		t.Run(name, func(t *testing.T) {
			m := mutant{caughtBy: c.caughtBy}
			for _, f := range c.files {
				m.patch = append(m.patch, filePatch{path: f})
			}
			var got []string
			for _, s := range m.suites() {
				got = append(got, s.pkg+" "+strings.Join(s.args[:min(1, len(s.args))], ""))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("it is tried on %q, want %q", got, c.want)
			}
		})
	}
}
