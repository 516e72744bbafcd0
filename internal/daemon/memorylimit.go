package daemon

import (
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// cgroupMost is what counts as no limit: version 1 has a number for that, too.
const cgroupMost = 1 << 50

// LimitMemory has the garbage collector work harder before the kernel ends or slows the process
// down: at 80 % of the smallest limit of its control groups, unless the environment says when.
// The rest is for what Go does not count: the journal's mapped pages and the program itself.
func LimitMemory(root fs.FS) {
	if limit := cgroupLimit(root); os.Getenv("GOMEMLIMIT") == "" && limit < cgroupMost {
		debug.SetMemoryLimit(limit / 5 * 4)
	}
}

// memoryLimit is what the collector keeps to; ok is false when it has no limit.
func memoryLimit() (bytes int64, ok bool) {
	bytes = debug.SetMemoryLimit(-1)
	return bytes, bytes < cgroupMost
}

// cgroupLimit is the smallest limit from the process's control groups up to the topmost that it
// can see, of either version; cgroupMost when there is none.
func cgroupLimit(root fs.FS) int64 {
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	mounts, _ := fs.ReadFile(root, "proc/self/mountinfo")
	limit := int64(cgroupMost)
	for mount := range strings.Lines(string(mounts)) {
		m, ok := cgroupMountOf(mount)
		group, known := groupIn(string(groups), m.version)
		below, within := belowRoot(group, m.root)
		if !ok || !known || !within {
			continue
		}
		for dir := path.Join(m.point, below); ; dir = path.Dir(dir) {
			limit = min(limit, limitIn(root, dir))
			if dir == m.point {
				break
			}
		}
	}
	return limit
}

// cgroupMount is where control groups that may limit memory are mounted.
type cgroupMount struct {
	root, point string // the group that is mounted, and where
	version     int
}

// cgroupMountOf reads a line of mountinfo: "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory".
func cgroupMountOf(line string) (m cgroupMount, ok bool) {
	before, after, _ := strings.Cut(line, " - ")
	where, what := strings.Fields(before), strings.Fields(after)
	if len(where) < 5 || len(what) < 3 {
		return cgroupMount{}, false
	}
	m = cgroupMount{root: where[3], point: where[4]}
	switch {
	case what[0] == "cgroup2":
		m.version = 2
	case what[0] == "cgroup" && slices.Contains(strings.Split(what[2], ","), "memory"):
		m.version = 1
	}
	return m, m.version != 0
}

// groupIn finds the process's group in lines like "4:memory:/user.slice" or, of version 2, "0::/user.slice".
func groupIn(groups string, version int) (group string, ok bool) {
	for line := range strings.Lines(groups) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(part) < 3 {
			continue
		}
		if version == 2 && part[0] == "0" || version == 1 && slices.Contains(strings.Split(part[1], ","), "memory") {
			return part[2], true
		}
	}
	return "", false
}

// belowRoot returns the rest of group below a mount's root; not ok where it lies elsewhere ("/../other").
func belowRoot(group, root string) (below string, ok bool) {
	below, ok = strings.CutPrefix(group, strings.TrimSuffix(root, "/"))
	return below, ok && (below == "" || path.IsAbs(below) && path.Clean(below) == below)
}

// limitIn is the smallest limit of one group: version 2 slows down what is over memory.high. "max" is none.
func limitIn(root fs.FS, dir string) int64 {
	limit := int64(cgroupMost)
	for _, name := range []string{"memory.max", "memory.high", "memory.limit_in_bytes"} {
		text, err := fs.ReadFile(root, strings.TrimPrefix(path.Join(dir, name), "/"))
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			limit = min(limit, n)
		}
	}
	return limit
}
