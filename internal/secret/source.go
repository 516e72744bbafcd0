package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Source says where a secret of the configuration is found: exactly one of its
// fields is set. It never holds the secret itself.
type Source struct {
	// Name of an environment variable; read at start.
	Env string `yaml:"env" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$"`
	// Path of a file that holds the secret and nothing else; read at each use.
	File string `yaml:"file"`
	// Name of a systemd credential (LoadCredential=).
	Credential string `yaml:"credential" jsonschema:"pattern=^[^/]+$"`
}

// IsZero reports whether no source is named.
func (s Source) IsZero() bool { return s == Source{} }

// SourceHint says how a source is written.
const SourceHint = "write {env: NAME}, {file: PATH} or {credential: NAME}"

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// WhatIsWrong says what is wrong with a source, at which of its keys ("" for all of it), and what to do; text is ""
// when nothing is. It repeats nothing: a secret may stand there in place of its source.
func (s Source) WhatIsWrong() (key, text, hint string) {
	n := 0
	for _, f := range []string{s.Env, s.File, s.Credential} {
		if f != "" {
			n++
		}
	}
	if n != 1 {
		return "", "exactly one of env, file, credential must be given", SourceHint
	}
	if c := s.Credential; c == "." || c == ".." || c != "" && filepath.Base(c) != c {
		return "", "credential must be a plain name", SourceHint
	}
	if s.Env != "" && !variablePattern.MatchString(s.Env) {
		return "env", "must be the name of an environment variable", "not its value"
	}
	return "", "", ""
}

// String names the source, never the secret: "environment variable X".
func (s Source) String() string {
	switch {
	case s.Env != "":
		return "environment variable " + s.Env
	case s.File != "":
		return "file " + s.File
	case s.Credential != "":
		return "systemd credential " + s.Credential
	}
	return "no source"
}

// Remedy says what to do when the secret cannot be read.
func (s Source) Remedy() string {
	switch {
	case s.Env != "":
		return "set the variable and start rotatord anew: the environment is read once, at start"
	case s.Credential != "":
		return "mend the credential and start rotatord anew: systemd copies it when the service starts"
	}
	return "mend the file; it is read at each use"
}

// Read fetches the secret now, without surrounding white space; variables are
// those of env. An empty one is an error.
func (s Source) Read(env Environment) (Value, error) {
	text, err := s.read(env)
	return s.valueOf(text, err)
}

func (s Source) valueOf(text string, err error) (Value, error) {
	if err != nil {
		return Value{}, fmt.Errorf("read secret from %s: %w", s, err)
	}
	if text = strings.TrimSpace(text); text == "" {
		return Value{}, fmt.Errorf("read secret from %s: it is empty", s)
	}
	return New(text), nil
}

// ReadShared is Read for a file that everybody may read.
func (s Source) ReadShared() (Value, error) {
	text, err := os.ReadFile(s.File)
	return s.valueOf(string(text), err)
}

func (s Source) read(env Environment) (string, error) {
	switch {
	case s.Env != "":
		v, ok := env.Lookup(s.Env)
		if !ok {
			return "", errors.New("it was not set when rotatord started")
		}
		return v, nil
	case s.Credential != "":
		dir := env.Get("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", errors.New("CREDENTIALS_DIRECTORY is not set: run under systemd with LoadCredential=")
		}
		return readSecret(filepath.Join(dir, s.Credential), env)
	default:
		return readSecret(s.File, env)
	}
}

func readSecret(path string, env Environment) (string, error) {
	return readJudged(path, func(_ *os.File, info fs.FileInfo) error { return ThisProcess(env, nil).checkSecret(path, info) })
}

// maxFile is far more than a secret or an identity needs.
const maxFile = 1 << 20

// readJudged reads a file that judge lets pass: the one that is read is the one that is judged.
func readJudged(path string, judge func(*os.File, fs.FileInfo) error) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if err := judge(f, info); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	return string(b), err
}
