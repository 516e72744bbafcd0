package daemon

import (
	"io/fs"
	"math"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

const (
	mountV2 = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	mountV1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	others  = "31 23 0:28 / /tmp rw - tmpfs tmpfs rw,mode=755\n36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\nnonsense\n"
	noneV1  = "9223372036854771712"
)

// machine is what the kernel shows: the process's groups, the mounts, and files by path.
func machine(groups, mounts string, files ...string) fs.FS {
	m := fstest.MapFS{"proc/self/cgroup": {Data: []byte(groups)}, "proc/self/mountinfo": {Data: []byte(mounts)}}
	for i := 0; i < len(files); i += 2 {
		m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1] + "\n")}
	}
	return m
}

func TestTheSmallestLimitUpTheTreeOfControlGroupsCounts(t *testing.T) {
	for name, c := range map[string]struct {
		root fs.FS
		want int64
	}{
		"none":     {machine("0::/\n", mountV2), cgroupMost},
		"no /proc": {fstest.MapFS{}, cgroupMost},
		"a service's own": {machine("0::/system.slice/rotatord.service\n", others+mountV2,
			"sys/fs/cgroup/system.slice/rotatord.service/memory.max", "1073741824"), 1 << 30},
		"where it is slowed down": {machine("0::/system.slice/rotatord.service\n", mountV2,
			"sys/fs/cgroup/system.slice/rotatord.service/memory.max", "1073741824",
			"sys/fs/cgroup/system.slice/rotatord.service/memory.high", "805306368"), 768 << 20},
		"its slice's": {machine("0::/system.slice/rotatord.service\n", mountV2,
			"sys/fs/cgroup/system.slice/rotatord.service/memory.max", "max",
			"sys/fs/cgroup/system.slice/memory.max", "1000000"), 1_000_000},
		"a slice's that is larger":           {machine("0::/a/b\n", mountV2, "sys/fs/cgroup/a/b/memory.max", "1000", "sys/fs/cgroup/a/memory.max", "2000"), 1000},
		"unlimited":                          {machine("0::/a\n", mountV2, "sys/fs/cgroup/a/memory.max", "max", "sys/fs/cgroup/a/memory.high", "max"), cgroupMost},
		"a container with groups of its own": {machine("0::/\n", mountV2, "sys/fs/cgroup/memory.max", "5000"), 5000},
		"a container that sees the machine's groups": {machine("4:memory:/docker/abc\n0::/docker/abc\n",
			"35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "7000"), 7000},
		"another's groups":           {machine("0::/docker/abcd\n", "41 31 0:38 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "sys/fs/cgroup/memory.max", "5000"), cgroupMost},
		"outside of what is mounted": {machine("0::/../x\n", mountV2, "sys/fs/cgroup/memory.max", "5000"), cgroupMost},
		"version 1": {machine("9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n", others+mountV1+"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "6000",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4000",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", noneV1), 4000},
		"version 1, unlimited": {machine("4:memory:/\n", mountV1, "sys/fs/cgroup/memory/memory.limit_in_bytes", noneV1), cgroupMost},
	} {
		t.Run(name, func(t *testing.T) {
			if got := min(cgroupLimit(c.root), cgroupMost); got != c.want {
				t.Errorf("the limit is %d, want %d", got, c.want)
			}
		})
	}
}

func TestTheCollectorKeepsToFourFifthsUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	limited := machine("0::/\n", mountV2, "sys/fs/cgroup/memory.max", "1000000000")
	for _, c := range []struct {
		environment string
		root        fs.FS
		want        int64
	}{
		{"", limited, 800_000_000},
		{"", machine("0::/\n", mountV2), math.MaxInt64},
		{"2GiB", limited, math.MaxInt64}, // Go has read it already
		{"off", limited, math.MaxInt64},
	} {
		t.Setenv("GOMEMLIMIT", c.environment)
		debug.SetMemoryLimit(math.MaxInt64)
		LimitMemory(c.root)
		if got := debug.SetMemoryLimit(-1); got != c.want {
			t.Errorf("GOMEMLIMIT=%q: the limit is %d, want %d", c.environment, got, c.want)
		}
	}
}
