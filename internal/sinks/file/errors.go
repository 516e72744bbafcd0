package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rotatord/rotatord/internal/fault"
)

// toFault returns err as a *fault.Error, with a hint for the operator.
func toFault(op, target string, err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) && f.Op != "" {
		return err
	}
	if f != nil {
		f.Op, f.Object = op, target
		return f
	}
	m, _ := meanings.Find(err)
	folder, file := placeOf(err, target)
	return m.Error(op, target, err, "{folder}", folder, "{file}", file, "{target}", target)
}

// isForbidden reports whether err means that rotatord's user lacks a right.
func isForbidden(err error) bool {
	m, _ := meanings.Find(err)
	return err != nil && m.Reason == fault.Forbidden
}

// placeOf returns the file that err is about, and its folder. Of a path above the target that is the folder
// itself or, when it could not be made, the one that was to hold it.
func placeOf(err error, target string) (folder, file string) {
	path, op := target, ""
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		path, op = p.Path, p.Op
	case errors.As(err, &l):
		path = l.New
	}
	switch above := strings.HasPrefix(target, strings.TrimSuffix(path, "/")+"/"); {
	case above && op == "mkdir":
		return filepath.Dir(path), target
	case above:
		return path, target
	}
	return filepath.Dir(path), path
}
