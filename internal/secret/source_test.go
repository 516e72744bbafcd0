package secret

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSourceNeedsExactlyOneField(t *testing.T) {
	for _, c := range []struct {
		source Source
		bad    bool
	}{
		{Source{}, true},
		{Source{Env: "A"}, false},
		{Source{File: "/a/b"}, false},
		{Source{Credential: "a"}, false},
		{Source{Env: "A", File: "/a"}, true},
		{Source{Env: "A", File: "/a", Credential: "a"}, true},
		{Source{Credential: "../a"}, true},
		{Source{Credential: "a/b"}, true},
		{Source{Credential: "/a"}, true},
		{Source{Credential: ".."}, true},
		{Source{Credential: "."}, true},
		{Source{Env: "hvs.CAESIJlWh5Q9f0qVbq2u"}, true},
		{Source{Env: "A B"}, true},
		{Source{Env: "_A1"}, false},
	} {
		if _, got, _ := c.source.WhatIsWrong(); (got != "") != c.bad {
			t.Errorf("%+v: wrong is %q", c.source, got)
		}
		if got := c.source.IsZero(); got != (c.source == Source{}) {
			t.Errorf("%+v: IsZero = %t", c.source, got)
		}
	}
}

// place puts text where each kind of source looks for it.
func place(t *testing.T, text string) []Source {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "name")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ROTATORD_TEST_SECRET", text)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	return []Source{{Env: "ROTATORD_TEST_SECRET"}, {File: path}, {Credential: "name"}}
}

func TestSourceReadsWithoutSurroundingSpace(t *testing.T) {
	for _, s := range place(t, " \n"+canary+"\r\n") {
		if v, err := s.Read(NewEnvironment(os.Environ())); err != nil || v.Reveal() != canary {
			t.Errorf("%s: %q, %v", s, v.Reveal(), err)
		}
	}
}

func TestSourceRefusesAnEmptySecret(t *testing.T) {
	for _, s := range place(t, " \n") {
		if _, err := s.Read(NewEnvironment(os.Environ())); err == nil || !strings.Contains(err.Error(), "empty") || !strings.Contains(err.Error(), s.String()) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestSourceReadsTheFileAtEachUse(t *testing.T) {
	s := place(t, "before")[1]
	if _, err := s.Read(NewEnvironment(os.Environ())); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.File, []byte("after"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Read(NewEnvironment(os.Environ())); err != nil || v.Reveal() != "after" {
		t.Errorf("%q, %v", v.Reveal(), err)
	}
}

func TestSourceErrorsSayWhereAndWhatToDo(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	for _, c := range []struct {
		source Source
		want   []string
	}{
		{Source{Env: "ROTATORD_TEST_UNSET"}, []string{"environment variable ROTATORD_TEST_UNSET", "not set"}},
		{Source{File: "/nowhere/token"}, []string{"file /nowhere/token", "no such file"}},
		{Source{Credential: "token"}, []string{"systemd credential token", "LoadCredential="}},
		{Source{}, []string{"no source"}},
	} {
		_, err := c.source.Read(NewEnvironment(os.Environ()))
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v lacks %q", err, want)
			}
		}
	}
}
