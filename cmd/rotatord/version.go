package main

import (
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// versionInfo says which rotatord this is.
type versionInfo struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	GoVersion string `json:"go_version"`
}

// buildVersion is set by the linker for releases.
var buildVersion = ""

// builtAt is a day before what rotatord was built from was committed, wherever that was; zero where the toolchain did
// not record it. No clock that is right is before it.
func builtAt() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			at, _ := time.Parse(time.RFC3339, s.Value)
			return at.AddDate(0, 0, -1)
		}
	}
	return time.Time{}
}

// version reads what the Go toolchain recorded of the build.
func version() versionInfo {
	v := versionInfo{Version: "devel", Revision: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.GoVersion = info.GoVersion
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	if buildVersion != "" {
		v.Version = buildVersion
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	return a.listing(&cobra.Command{
		Use:   "version",
		Short: "Say which rotatord this is",
		Args:  usage(cobra.NoArgs),
		RunE:  func(*cobra.Command, []string) error { return a.printVersion() },
	})
}

func (a *app) printVersion() error {
	v := version()
	return a.print(v, "VERSION\tREVISION\tGO", [][]string{{v.Version, v.Revision, v.GoVersion}})
}
