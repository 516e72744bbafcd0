package file

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
)

// mountPoint reports whether the target itself is a mount point, as a single file is that was mounted
// into a container: nothing can be renamed over it.
func (d disk) mountPoint(w *way) bool {
	var st unix.Statx_t
	if err := d.statx(w.Folder, w.name, unix.STATX_TYPE, &st); err == nil && st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	}
	return slices.Contains(mountPoints(d.readProc("mountinfo")), w.path()) // the kernel lists what links lead to
}

// mountPoints reads /proc/self/mountinfo, for kernels before Linux 5.8.
func mountPoints(mountinfo string) []string {
	var out []string
	for line := range strings.Lines(mountinfo) {
		if fields := strings.Fields(line); len(fields) > 4 {
			out = append(out, unescapeOctal(fields[4]))
		}
	}
	return out
}

// unescapeOctal reads a path of mountinfo, in which \040 is a blank.
func unescapeOctal(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+3 < len(path) {
			if c, err := strconv.ParseUint(path[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

func errMountPoint(target string) error {
	return fault.Newf(fault.Permanent, fault.Invalid, "", "", "the file itself is a mount point, so that no new file can take its place").
		WithHint("mount its folder, %s, instead of the file", filepath.Dir(target))
}
