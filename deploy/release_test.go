package deploy

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/test/harness"
)

// goreleaser takes a quarter of an hour to build, so what can be known of its file is looked at without it.

// releaseFile is what of .goreleaser.yaml is looked at here.
type releaseFile struct {
	Builds []struct {
		Goarch, Ldflags                     []string
		Flags, Gcflags, Asmflags, Tags, Env []string
		ModTimestamp                        string `yaml:"mod_timestamp"`
		Hooks                               struct{ Post string }
	}
	Archives []struct {
		NameTemplate string `yaml:"name_template"`
		Formats      []string
		Files        []struct {
			Src  string
			Info struct{ MTime string }
		}
	}
	SBOMs    []struct{ Documents []string }
	Checksum struct {
		NameTemplate string `yaml:"name_template"`
	}
}

func release(t *testing.T) releaseFile {
	t.Helper()
	var file releaseFile
	harness.Check(t, yaml.Unmarshal([]byte(read(t, "../.goreleaser.yaml")), &file))
	if len(file.Builds) != 1 || len(file.Archives) != 1 || len(file.SBOMs) != 1 || len(file.SBOMs[0].Documents) != 1 {
		t.Fatalf("a release is of one build, one archive of it, and one bill of materials: %+v", file)
	}
	return file
}

// madeWith returns what make would run for target.
func madeWith(t *testing.T, target string) string {
	t.Helper()
	read(t, "../Makefile") // who keeps a test's result must know that it comes of this file
	cmd := exec.CommandContext(t.Context(), harness.NeedTool(t, "make"), "-n", "-C", "..", target, "VERSION=v1.2.3")
	cmd.Env = append(cmd.Environ(), "MAKEFLAGS=", "GOFLAGS=", "ARCHES=amd64", "DIST=dist")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make -n %s: %v\n%s", target, err, out)
	}
	return string(out)
}

func TestAReleaseIsBuiltWithTheMakefilesFlags(t *testing.T) {
	out := madeWith(t, "release")
	built := regexp.MustCompile(`(CGO_ENABLED=\d) \S+ build (.*) -ldflags "(.*)" -o bin/linux-amd64/`).FindStringSubmatch(out)
	// What the user has set for every build (go env -w) holds for both.
	handed := regexp.MustCompile(`(CGO_ENABLED=\d) GOFLAGS="\$\(\S+ env GOFLAGS\) (.*)" LDFLAGS="(.*)" `).
		FindStringSubmatch(out)
	if built == nil || handed == nil {
		t.Fatalf("make release does not build, or hands nothing to goreleaser:\n%s", out)
	}
	for i, what := range []string{1: "cgo", 2: "flags", 3: "flags of the linker"} {
		if i > 0 && strings.TrimSpace(built[i]) != strings.TrimSpace(handed[i]) {
			t.Errorf("%s: the build has %q, goreleaser %q", what, built[i], handed[i])
		}
	}
}

func TestGoreleaserHasNoFlagsOfItsOwn(t *testing.T) {
	build := release(t).Builds[0]
	if !slices.Equal(build.Ldflags, []string{"{{ .Env.LDFLAGS }}"}) {
		t.Errorf("the linker is told %q", build.Ldflags)
	}
	if own := slices.Concat(build.Flags, build.Gcflags, build.Asmflags, build.Tags, build.Env); len(own) > 0 {
		t.Errorf("the build has %q", own)
	}
	if want := "cmp {{ .Path }} bin/linux-{{ .Arch }}/rotatord"; build.Hooks.Post != want {
		t.Errorf("the binary is not compared with that of the packages: %q, want %q", build.Hooks.Post, want)
	}
}

func TestAReleasesArchivesAreOfThePackagesArchitectures(t *testing.T) {
	arches := regexp.MustCompile(`(?m)^ARCHES +\?= (.*)$`).FindStringSubmatch(read(t, "../Makefile"))
	if got := strings.Join(release(t).Builds[0].Goarch, " "); arches == nil || got != arches[1] {
		t.Errorf("the archives are of %s, the packages of %q", got, arches)
	}
}

func TestWhatLiesBesideTheBinaryInAnArchiveIsThere(t *testing.T) {
	for _, file := range release(t).Archives[0].Files {
		read(t, "../"+file.Src)
	}
}

func TestWhatLiesInAnArchiveHasTheTimeOfTheCommit(t *testing.T) {
	file := release(t)
	if got := file.Builds[0].ModTimestamp; got != "{{ .Env.BUILT_AT }}" {
		t.Errorf("the binary is of %q", got)
	}
	for _, beside := range file.Archives[0].Files {
		if got := beside.Info.MTime; got != "{{ .Env.COMMITTED }}" {
			t.Errorf("%s is of %q", beside.Src, got)
		}
	}
}

func TestTheFilesOfAReleaseAreNamedAsItsPageAndTheWorkflowNameThem(t *testing.T) {
	file := release(t)
	page, workflow := read(t, "../.github/release.md"), read(t, "../.github/workflows/release.yaml")
	named := strings.NewReplacer("{{ .Version }}", "VERSION", "{{ .Os }}", "linux", "{{ .Arch }}", "ARCH").Replace
	archive := named(file.Archives[0].NameTemplate) + "." + file.Archives[0].Formats[0]
	for _, name := range []string{archive, named(file.SBOMs[0].Documents[0]), file.Checksum.NameTemplate} {
		if !strings.Contains(page, name) {
			t.Errorf("the page of a release does not know %s", name)
		}
	}
	sums := "dist/" + file.Checksum.NameTemplate
	for _, use := range []string{sums + "\n", "subject-checksums: " + sums + "}"} {
		if !strings.Contains(workflow, use) {
			t.Errorf("the workflow does not have %q", use)
		}
	}
	image := regexp.MustCompile(`dist/rotatord_1\.2\.3(_image\.tar)\b`).FindStringSubmatch(madeWith(t, "images"))
	if image == nil || !strings.Contains(workflow, "oci-archive:dist/rotatord_${TAG#v}"+image[1]) {
		t.Errorf("the workflow pushes another image than make images leaves: %q", image)
	}
}
